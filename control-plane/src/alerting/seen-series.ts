/** What the expression of a rule saw of one alert: the last points of the series it selects that speak of it. */
import type { Labels } from "../kernel/labels.js";
import { formatLabels, METRIC_NAME } from "../kernel/labels.js";
import { type Instant, MINUTE } from "../kernel/time.js";
import type { Expr, VectorSelector } from "../promql/ast.js";
import { parseExpr } from "../promql/parse.js";
import type { MatrixValue } from "../promql/value.js";

const SERIES_MAX = 20;
const POINTS_MAX = 20;
const SELECTORS_MAX = 8;
const BACK = 10 * MINUTE;

export interface SeenSeries {
  readonly labels: Labels;
  readonly points: readonly { readonly at: Instant; readonly value: number }[];
}

export type QueryRange = (expr: string, from: Instant, to: Instant, stepMs: number) => Promise<MatrixValue>;

/** Up to 20 series with up to 20 points each, over the ten minutes until `until`. Rejects as the query does. */
export async function seenSeries(
  expr: string,
  of: Labels,
  until: Instant,
  queryRange: QueryRange,
): Promise<readonly SeenSeries[]> {
  const seen = new Map<string, SeenSeries>();
  for (const selector of selectorsOf(parseExpr(expr)).slice(0, SELECTORS_MAX)) {
    const matrix = await queryRange(selector, until - BACK, until, BACK / POINTS_MAX);
    for (const { labels, timestamps, values } of matrix.series) {
      if (seen.size >= SERIES_MAX) break;
      if (!speaksOf(labels, of)) continue;
      const points = Array.from(timestamps, (at, index) => ({ at, value: values[index] as number }));
      seen.set(formatLabels(labels), { labels, points: points.slice(-POINTS_MAX) });
    }
  }
  return [...seen.values()];
}

/** The plain selectors in an expression, each once: without ranges, offsets and `@`, which say when and not what. */
function selectorsOf(expr: Expr): readonly string[] {
  const found = new Set<string>();
  const visit = (node: Expr): void => {
    switch (node.kind) {
      case "vector-selector":
        found.add(textOf(node));
        break;
      case "matrix-selector":
        found.add(textOf(node.selector));
        break;
      case "call":
        for (const arg of node.args) visit(arg);
        break;
      case "binary":
        visit(node.left);
        visit(node.right);
        break;
      case "aggregate":
      case "subquery":
      case "paren":
      case "unary":
        visit(node.expr);
        break;
      case "number":
      case "string":
        break;
    }
  };
  visit(expr);
  return [...found];
}

function textOf({ matchers }: VectorSelector): string {
  return `{${matchers.map(({ name, op, value }) => `${quotedName(name)}${op}${JSON.stringify(value)}`).join(",")}}`;
}

function quotedName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : JSON.stringify(name);
}

/** Whether no label of the series says otherwise than the alert's; the rule's own labels say nothing of series. */
export function speaksOf(series: Labels, alert: Labels): boolean {
  return Object.entries(series).every(
    ([name, value]) => name === METRIC_NAME || alert[name] === undefined || alert[name] === value,
  );
}
