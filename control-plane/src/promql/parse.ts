import type { Expr } from "./ast.js";
import { PromqlError } from "./errors.js";

/** The expression in `text`. Throws a {@link PromqlError} of kind "parse" with Prometheus' message and place. */
export function parseExpr(text: string): Expr {
  throw new PromqlError("parse", `1:1: parse error: not yet: ${text}`);
}
