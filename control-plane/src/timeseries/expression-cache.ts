import { OpsError } from "../kernel/errors.js";
import type { Expr } from "../promql/ast.js";
import { PromqlError } from "../promql/errors.js";
import { ParsedQueries } from "../promql/parsed-queries.js";

/** Rules ask the same every few seconds; the engine's plans hang on the parsed expression staying the same object. */
const PARSED_MAX = 1_000;

export class ExpressionCache {
  readonly #parsed = new ParsedQueries(PARSED_MAX);

  /** Throws INVALID_ARGUMENT with Prometheus' own message. */
  parse(text: string): Expr {
    try {
      return this.#parsed.parse(text);
    } catch (error) {
      throw error instanceof PromqlError ? toOpsError(error) : error;
    }
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
