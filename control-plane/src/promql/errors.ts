/**
 * What kind of fault a query met:
 * - `parse`: the text is not a valid expression (the message starts with `line:column: parse error:`),
 * - `execution`: valid, but without a meaning on these samples, or a feature this engine does not have,
 * - `limit`: the answer or the work on the way to it is larger than allowed,
 * - `timeout` and `canceled`: the caller's check said to stop.
 */
export type PromqlErrorKind = "parse" | "execution" | "limit" | "timeout" | "canceled";

/** A query that cannot be answered; the message is fit for the person who wrote the query. */
export class PromqlError extends Error {
  override readonly name = "PromqlError";

  constructor(
    readonly kind: PromqlErrorKind,
    message: string,
    /** Where in the expression the fault lies, as offsets in the text; absent if it lies nowhere in particular. */
    readonly span?: { readonly start: number; readonly end: number },
  ) {
    super(message);
  }
}

/** A fault met while evaluating. */
export function executionError(message: string): PromqlError {
  return new PromqlError("execution", message);
}
