import { OpsError } from "../kernel/errors.js";
import type { Expr } from "../promql/ast.js";
import { PromqlError } from "../promql/errors.js";
import { parseExpr } from "../promql/parse.js";

/** Parsed expressions: rules ask the same every few seconds. Emptied when full. */
const PARSED_MAX = 1_000;

export class ExpressionCache {
  readonly #parsed = new Map<string, Expr>();

  /** Throws INVALID_ARGUMENT with Prometheus' own message. */
  parse(text: string): Expr {
    const known = this.#parsed.get(text);
    if (known !== undefined) return known;
    let tree: Expr;
    try {
      tree = parseExpr(text);
    } catch (error) {
      throw error instanceof PromqlError ? toOpsError(error) : error;
    }
    if (this.#parsed.size >= PARSED_MAX) this.#parsed.clear();
    this.#parsed.set(text, tree);
    return tree;
  }
}

/** A fault of a query as an OpsError, with Prometheus' message unchanged. */
export function toOpsError(error: PromqlError): OpsError {
  switch (error.kind) {
    case "parse":
      return new OpsError("INVALID_ARGUMENT", error.message, { fault: error.kind });
    case "execution":
      return new OpsError("FAILED_PRECONDITION", error.message, { fault: error.kind });
    case "limit":
      return new OpsError("RESOURCE_EXHAUSTED", error.message, { fault: error.kind });
    case "timeout":
      return new OpsError("DEADLINE_EXCEEDED", error.message, { fault: error.kind });
    case "canceled":
      return new OpsError("CANCELLED", error.message, { fault: error.kind });
  }
}
