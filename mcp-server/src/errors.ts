/** gRPC's codes, less OK, by their canonical names (https://grpc.io/docs/guides/status-codes/), each at its number less one. */
export const ERROR_CODES = [
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** A value a log line or an error may carry: flat, printable, never a secret. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

/** The one error that is thrown on purpose: a code, a sentence for people that says what was done to what, and the cause. */
export class OpsError extends Error {
  override readonly name = "OpsError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/**
 * Whether the error is the house's fault rather than the caller's: what an operator wants to be told of. A wrong
 * argument, a missing right or an unknown name is not.
 */
export function isServerFault(code: ErrorCode): boolean {
  return (
    code === "UNKNOWN" ||
    code === "DEADLINE_EXCEEDED" ||
    code === "UNIMPLEMENTED" ||
    code === "INTERNAL" ||
    code === "UNAVAILABLE" ||
    code === "DATA_LOSS"
  );
}

/** The sentence of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
