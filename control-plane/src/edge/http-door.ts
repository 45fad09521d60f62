/**
 * What every HTTP request passes before and after its controller: the gate, the meter, and the translation of errors.
 * Nothing but the three anonymous probes is answered without a good token, unknown paths included.
 */
import type { Caller } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import type { Logger } from "../platform/logger.js";
import type { System } from "../platform/system.js";
import type { Gate } from "./gate.js";
import { type HttpReply, type HttpRequest, pathOf, sendJson } from "./http-types.js";
import type { Ending, RequestMeter } from "./request-meter.js";
import { errorBody, toWireError, type WireError, wireErrorOfHttp } from "./wire-errors.js";

/** The only paths that are answered without a token; they tell nothing of the inside. */
const ANONYMOUS: ReadonlySet<string> = new Set(["/health", "/health/live", "/health/failover"]);

const CLIENT_LEFT = 499;

/** How an error's body is written for paths that have a shape of their own. */
export interface ErrorShape {
  readonly matches: (path: string) => boolean;
  readonly body: (wire: WireError) => unknown;
  /** @default the table's */
  readonly status?: (wire: WireError) => number;
}

interface Passage {
  readonly end: (ending: Ending) => void;
  caller: Caller | undefined;
  endpoint: string | undefined;
}

export class HttpDoor {
  readonly #gate: Gate;
  readonly #meter: RequestMeter;
  readonly #system: System;
  readonly #logger: Logger;
  readonly #shapes: readonly ErrorShape[];
  readonly #passages = new WeakMap<object, Passage>();

  constructor(deps: {
    readonly gate: Gate;
    readonly meter: RequestMeter;
    readonly system: System;
    readonly logger: Logger;
    readonly shapes: readonly ErrorShape[];
  }) {
    this.#gate = deps.gate;
    this.#meter = deps.meter;
    this.#system = deps.system;
    this.#logger = deps.logger;
    this.#shapes = deps.shapes;
  }

  /** Before anything else. Answers whether the request may go on; if not, the reply has been sent. */
  async enter(request: HttpRequest, reply: HttpReply): Promise<boolean> {
    const passage: Passage = { end: this.#meter.begin(), caller: undefined, endpoint: undefined };
    this.#passages.set(request, passage);
    // An answer that nobody waits for any more is never "sent"; nginx' number stands for it.
    reply.raw.on("close", () => {
      if (!reply.raw.writableFinished) this.left(request, CLIENT_LEFT, undefined);
    });
    const path = pathOf(request);
    if (ANONYMOUS.has(path)) {
      passage.endpoint = path;
      return true;
    }
    try {
      passage.caller = await this.#gate.enter(request.headers.authorization);
      return true;
    } catch (error) {
      this.fail(request, reply, error);
      return false;
    }
  }

  /** After the answer was sent. `route` is the adapter's own template. */
  left(request: HttpRequest, status: number, route: string | undefined): void {
    const passage = this.#passages.get(request);
    passage?.end({
      method: request.method,
      endpoint: passage.endpoint ?? route ?? "unknown",
      status: String(status),
      failed: status >= 500,
    });
  }

  /** The template under which this request is counted, when the adapter's own says too little. */
  countAs(request: HttpRequest, endpoint: string): void {
    const passage = this.#passages.get(request);
    if (passage !== undefined) passage.endpoint = endpoint;
  }

  /** Who asks. Throws INTERNAL when the request did not come through the door. */
  callerOf(request: HttpRequest): Caller {
    const caller = this.#passages.get(request)?.caller;
    if (caller === undefined) throw new OpsError("INTERNAL", "a request came in beside the door");
    return caller;
  }

  /** Who asks, when permitted what `method` permits. Throws PERMISSION_DENIED. */
  admit(request: HttpRequest, method: string): Caller {
    const caller = this.callerOf(request);
    this.#gate.admit(caller, method);
    return caller;
  }

  /** Answers with an error, in the shape of the path. */
  fail(request: HttpRequest, reply: HttpReply, error: unknown): void {
    const path = pathOf(request);
    const wire = this.#translate(error, request.method, path);
    const shape = this.#shapes.find((candidate) => candidate.matches(path));
    if (wire.code === "UNAUTHENTICATED") {
      reply.header("www-authenticate", 'Bearer realm="mainstay", Basic realm="mainstay"');
    }
    const status = shape?.status?.(wire) ?? wire.httpStatus;
    sendJson(reply, status, shape === undefined ? errorBody(wire) : shape.body(wire));
  }

  #translate(error: unknown, method: string, path: string): WireError {
    const framework = frameworkStatus(error);
    if (framework !== undefined) return wireErrorOfHttp(framework.status, framework.message);
    const { wire, correlationId } = toWireError(error, () => this.#system.draws.hex(16));
    const facts = { method, path: path.slice(0, 200), correlationId };
    if (correlationId !== undefined) this.#logger.error("a request failed inside", facts, error);
    else if (wire.httpStatus >= 500) this.#logger.warn("a request could not be served", facts, error);
    return wire;
  }
}

/** The status of an error that the framework raised about the request itself; its 5xx are faults of ours. */
function frameworkStatus(error: unknown): { status: number; message: string } | undefined {
  if (!(error instanceof Error) || error instanceof OpsError) return undefined;
  // Nest has getStatus(), Fastify statusCode.
  const status: unknown =
    "getStatus" in error && typeof error.getStatus === "function"
      ? Reflect.apply(error.getStatus, error, [])
      : "statusCode" in error
        ? error.statusCode
        : undefined;
  return typeof status === "number" && status >= 400 && status < 500
    ? { status, message: error.message }
    : undefined;
}
