/** Errors of the wire become the house's, once, here. */
import { cleanLine } from "../clean-text.js";
import { ERROR_CODES, type ErrorCode, OpsError } from "../errors.js";
import { NOBODY_THERE } from "./breaker.js";

const MESSAGE_MAX = 500;

/** The code of a gRPC status number; UNKNOWN for one that is none. */
function codeOf(status: number): ErrorCode {
  return ERROR_CODES[status - 1] ?? "UNKNOWN";
}

/**
 * Waits for a call. A status becomes an OpsError with the control plane's own sentence, cleaned, for it may hold names
 * that hosts gave; where gRPC itself speaks (no connection, no answer in time) the sentence is ours.
 */
export async function answered<T>(address: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "number") throw error;
    const code = codeOf(error.code);
    const said =
      "details" in error && typeof error.details === "string" ? cleanLine(error.details, MESSAGE_MAX) : "";
    throw new OpsError(code, sentenceFor(code, said, address), { cause: error });
  }
}

function sentenceFor(code: ErrorCode, said: string, address: string): string {
  switch (code) {
    case "UNAVAILABLE":
      // grpc-js tells of sockets and subchannels; the control plane tells why it does not serve.
      return NOBODY_THERE.test(said) || said === ""
        ? `the control plane at ${address} cannot be reached`
        : said;
    case "DEADLINE_EXCEEDED":
      return `the control plane at ${address} did not answer in time`;
    case "CANCELLED":
      return "the call was cancelled";
    case "UNAUTHENTICATED":
      return "the control plane does not take this token: it is unknown, revoked or expired";
    default:
      return said === "" ? `the control plane answered ${code} without a reason` : said;
  }
}
