/**
 * The one table between the house's errors and those of the wires: gRPC status, HTTP status, and back.
 */
import { status } from "@grpc/grpc-js";
import { type ErrorCode, OpsError } from "../kernel/errors.js";

interface WireCode {
  readonly grpc: number;
  readonly http: number;
}

/** HTTP statuses follow google.rpc.Code, whose mapping every gRPC gateway uses. */
const CODES: Readonly<Record<ErrorCode, WireCode>> = {
  CANCELLED: { grpc: status.CANCELLED, http: 499 },
  UNKNOWN: { grpc: status.UNKNOWN, http: 500 },
  INVALID_ARGUMENT: { grpc: status.INVALID_ARGUMENT, http: 400 },
  DEADLINE_EXCEEDED: { grpc: status.DEADLINE_EXCEEDED, http: 504 },
  NOT_FOUND: { grpc: status.NOT_FOUND, http: 404 },
  ALREADY_EXISTS: { grpc: status.ALREADY_EXISTS, http: 409 },
  PERMISSION_DENIED: { grpc: status.PERMISSION_DENIED, http: 403 },
  RESOURCE_EXHAUSTED: { grpc: status.RESOURCE_EXHAUSTED, http: 429 },
  FAILED_PRECONDITION: { grpc: status.FAILED_PRECONDITION, http: 400 },
  ABORTED: { grpc: status.ABORTED, http: 409 },
  OUT_OF_RANGE: { grpc: status.OUT_OF_RANGE, http: 400 },
  UNIMPLEMENTED: { grpc: status.UNIMPLEMENTED, http: 501 },
  INTERNAL: { grpc: status.INTERNAL, http: 500 },
  UNAVAILABLE: { grpc: status.UNAVAILABLE, http: 503 },
  DATA_LOSS: { grpc: status.DATA_LOSS, http: 500 },
  UNAUTHENTICATED: { grpc: status.UNAUTHENTICATED, http: 401 },
};

/** HTTP statuses that no code above stands for, as frameworks raise them: unknown paths, too large bodies and the like. */
const FROM_HTTP: Readonly<Record<number, ErrorCode>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  405: "UNIMPLEMENTED",
  408: "DEADLINE_EXCEEDED",
  409: "ABORTED",
  413: "RESOURCE_EXHAUSTED",
  414: "RESOURCE_EXHAUSTED",
  415: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  431: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE",
};

/** What the outside is told of an error. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  /** Facts of the error; never a stack, a cause or a statement. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly grpcStatus: number;
  readonly httpStatus: number;
}

/** What the outside is told, and whether those inside should look. */
export interface Translation {
  readonly wire: WireError;
  /** Set when the error was not one of ours: the id that stands in both the answer and the log. */
  readonly correlationId: string | undefined;
}

export const httpStatusOf = (code: ErrorCode): number => CODES[code].http;
export const grpcStatusOf = (code: ErrorCode): number => CODES[code].grpc;

/** The code of a gRPC status number; UNKNOWN for one that is not in the table. */
export function codeOfGrpcStatus(grpc: number): ErrorCode {
  for (const [code, wire] of Object.entries(CODES)) if (wire.grpc === grpc) return code as ErrorCode;
  return "UNKNOWN";
}

/** The code that stands for an HTTP status; other statuses of the 4xx class are INVALID_ARGUMENT, all else INTERNAL. */
export function codeOfHttpStatus(http: number): ErrorCode {
  return FROM_HTTP[http] ?? (http >= 400 && http < 500 ? "INVALID_ARGUMENT" : "INTERNAL");
}

/**
 * Translates any thrown value. OpsErrors keep their code, sentence and facts, but for INTERNAL, UNKNOWN and DATA_LOSS,
 * whose sentences may speak of the inside: those, and everything that is not an OpsError, become INTERNAL (or keep their
 * code) with a correlation id drawn from `id`.
 */
export function toWireError(error: unknown, id: () => string): Translation {
  if (error instanceof OpsError && !isInward(error.code)) {
    return {
      wire: wireError(error.code, error.message, definedFacts(error.facts)),
      correlationId: undefined,
    };
  }
  const correlationId = id();
  const code = error instanceof OpsError ? error.code : "INTERNAL";
  return {
    wire: wireError(code, `an internal error; the log has it under ${correlationId}`, { correlationId }),
    correlationId,
  };
}

/** As the wire says it, for an HTTP status that a framework raised. */
export function wireErrorOfHttp(http: number, message: string): WireError {
  return { ...wireError(codeOfHttpStatus(http), message, {}), httpStatus: http };
}

/** The JSON body of an error. */
export function errorBody(wire: WireError): {
  code: ErrorCode;
  message: string;
  details: WireError["details"];
} {
  return { code: wire.code, message: wire.message, details: wire.details };
}

function wireError(code: ErrorCode, message: string, details: WireError["details"]): WireError {
  return { code, message, details, grpcStatus: CODES[code].grpc, httpStatus: CODES[code].http };
}

function isInward(code: ErrorCode): boolean {
  return code === "INTERNAL" || code === "UNKNOWN" || code === "DATA_LOSS";
}

function definedFacts(facts: OpsError["facts"]): WireError["details"] {
  const details: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(facts)) if (value !== undefined) details[name] = value;
  return details;
}
