import type { Expr } from "./ast.js";
import { parseExpr } from "./parse.js";

/**
 * Expressions by their text, the ones used last. Dashboards ask the same few questions again and again, and an expression that is
 * the same object as before finds again what was worked out for it (see `plans.ts`): the second answer takes a fraction of the first.
 */
export class ParsedQueries {
  private readonly known = new Map<string, Expr>();

  /** @param most how many expressions are kept; at least 1 */
  constructor(private readonly most = 512) {}

  /** The expression in `text`. Throws as `parseExpr` does; faults are not kept. */
  parse(text: string): Expr {
    const expr = this.known.get(text) ?? parseExpr(text);
    // A Map lists its keys in the order they were set, so the first one is the one not used for longest.
    this.known.delete(text);
    this.known.set(text, expr);
    const oldest = this.known.keys().next();
    if (this.known.size > this.most && oldest.done !== true) this.known.delete(oldest.value);
    return expr;
  }
}
