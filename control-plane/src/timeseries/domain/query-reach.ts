/**
 * How far into the past a query looks, so that only one that looks beyond the hot window is sent to PostgreSQL.
 */
import { type Duration, type Instant, MINUTE } from "../../kernel/time.js";
import type { AtModifier, Expr, VectorSelector } from "../../promql/ast.js";

/** How long a sample stays current, as the engine has it. */
const LOOKBACK: Duration = 5 * MINUTE;

/** The times a query needs samples of, and whose. */
export interface Reach {
  readonly from: Instant;
  readonly to: Instant;
  /** The nodes its selectors name with `node="..."`; undefined when one of them names none. */
  readonly nodes: ReadonlySet<string> | undefined;
}

/** What `expr` needs when evaluated from `from` to `to`. Undefined when it needs no samples at all. */
export function reachOf(expr: Expr, from: Instant, to: Instant): Reach | undefined {
  return walk(expr, { from, to }, { from, to });
}

interface Times {
  readonly from: Instant;
  readonly to: Instant;
}

function shift(times: Times, query: Times, at: AtModifier | undefined, offset: Duration): Times {
  let { from, to } = times;
  if (at !== undefined) {
    from = at.kind === "time" ? at.at : at.kind === "start" ? query.from : query.to;
    to = from;
  }
  return { from: from - offset, to: to - offset };
}

function ofSelector(selector: VectorSelector, times: Times, query: Times, back: Duration): Reach {
  const shifted = shift(times, query, selector.at, selector.offset);
  const node = selector.matchers.find(
    (matcher) => matcher.name === "node" && matcher.op === "=" && matcher.value !== "",
  );
  return {
    from: shifted.from - back,
    to: shifted.to,
    nodes: node === undefined ? undefined : new Set([node.value]),
  };
}

function walk(expr: Expr, times: Times, query: Times): Reach | undefined {
  switch (expr.kind) {
    case "number":
    case "string":
      return undefined;
    case "vector-selector":
      return ofSelector(expr, times, query, LOOKBACK);
    case "matrix-selector":
      return ofSelector(expr.selector, times, query, expr.range);
    case "subquery": {
      const shifted = shift(times, query, expr.at, expr.offset);
      return walk(expr.expr, { from: shifted.from - expr.range, to: shifted.to }, query);
    }
    case "call":
      return join(expr.args.map((arg) => walk(arg, times, query)));
    case "aggregate":
      return join([
        walk(expr.expr, times, query),
        expr.param === undefined ? undefined : walk(expr.param, times, query),
      ]);
    case "binary":
      return join([walk(expr.left, times, query), walk(expr.right, times, query)]);
    case "unary":
    case "paren":
      return walk(expr.expr, times, query);
  }
}

function join(reaches: readonly (Reach | undefined)[]): Reach | undefined {
  let joined: Reach | undefined;
  for (const reach of reaches) {
    if (reach === undefined) continue;
    if (joined === undefined) {
      joined = reach;
      continue;
    }
    joined = {
      from: Math.min(joined.from, reach.from),
      to: Math.max(joined.to, reach.to),
      nodes:
        joined.nodes === undefined || reach.nodes === undefined
          ? undefined
          : new Set([...joined.nodes, ...reach.nodes]),
    };
  }
  return joined;
}
