import { messageOf, OpsError } from "../kernel/errors.js";
import type { WireError } from "./store-protocol.js";

/** Any thrown value, fit to cross threads. */
export function toWireError(error: unknown): WireError {
  if (error instanceof OpsError)
    return { kind: "error", code: error.code, message: error.message, facts: error.facts };
  return { kind: "error", code: "INTERNAL", message: `time series engine: ${messageOf(error)}`, facts: {} };
}

export function fromWireError(error: WireError): OpsError {
  return new OpsError(error.code, error.message, error.facts);
}
