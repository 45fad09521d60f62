/** A reason to stop that the person is told in one line. */
import { messageOf } from "#src/kernel/errors";
import { EXIT, type ExitCode } from "./exit-codes.js";

export class Failure extends Error {
  override readonly name = "Failure";

  constructor(
    message: string,
    readonly exitCode: ExitCode = EXIT.failed,
  ) {
    super(message);
  }
}

/** gRPC's numbers for what a caller may not do. */
const DENIED: readonly number[] = [7, 16];
const UNAVAILABLE = 14;

/** Any error as what the person is told; gRPC's own number stands before its text, and is left out. */
export function toFailure(error: unknown, address: string): Failure {
  if (error instanceof Failure) return error;
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  const message = messageOf(error)
    .replace(/^\d+ [A-Z_]+: /, "")
    .replace(/[.;]? *Resolution note: *$/, "");
  if (typeof code !== "number") return new Failure(message);
  if (DENIED.includes(code)) return new Failure(message, EXIT.denied);
  if (code === UNAVAILABLE)
    return new Failure(`the control plane at ${address} cannot be reached: ${message}`);
  return new Failure(message);
}
