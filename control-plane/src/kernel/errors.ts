/**
 * The one error that is thrown on purpose. What may well happen is a value; what should not is an OpsError.
 */

/** gRPC's codes, less OK, by their canonical names (https://grpc.io/docs/guides/status-codes/). */
export type ErrorCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** A value a log line or an error may carry: flat, printable, never a secret. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * An error with a code out of sixteen, a sentence for people that says what was done to what
 * (`approve command "c-1": the plan has changed`), the facts, and the cause.
 */
export class OpsError extends Error {
  override readonly name = "OpsError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly facts: Facts = {},
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The sentence of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
