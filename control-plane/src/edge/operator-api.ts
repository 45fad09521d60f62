/**
 * Every operator service, whatever door it is called through: permit, trace, call, tell.
 */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import type { ServiceImplementation } from "@mainstay/proto/service";
import type { Caller } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import { type Duration, SECOND } from "../kernel/time.js";
import { childSpan, parseTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import type { Logger } from "../platform/logger.js";
import type { System } from "../platform/system.js";
import type { Gate } from "./gate.js";

/** A unary call that names no deadline ends after this long. */
const UNARY_DEADLINE: Duration = 60 * SECOND;

type Handler = (request: Message, context: CallContext) => unknown;

/** A service with what answers it. */
export interface OperatorService {
  readonly service: DescService;
  /** By the method's lowerCamelCase name. */
  readonly handlers: ReadonlyMap<string, Handler>;
}

/** Binds a room's implementation to its service. Throws INTERNAL when a method has no function: a fault of this build. */
export function operatorService<S extends DescService>(
  service: S,
  implementation: ServiceImplementation<S, CallContext>,
): OperatorService {
  const handlers = new Map<string, Handler>();
  for (const method of service.methods) {
    const handler: unknown = Reflect.get(implementation, method.localName);
    if (typeof handler !== "function") {
      throw new OpsError("INTERNAL", `${service.typeName}: nothing answers ${method.name}`);
    }
    handlers.set(method.localName, (request, context) =>
      Reflect.apply(handler, implementation, [request, context]),
    );
  }
  return { service, handlers };
}

/** How a call came in. */
export interface Invocation {
  readonly caller: Caller;
  /** The caller's `traceparent`, if it sent one. */
  readonly traceparent: string | undefined;
  readonly signal: AbortSignal;
}

/** `mainstay.operator.v1.FleetService/ListNodes`. */
export function fullName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

export class OperatorApi {
  readonly #handlers = new Map<string, Handler>();
  readonly #gate: Gate;
  readonly #system: System;
  readonly #logger: Logger;

  constructor(
    readonly services: readonly OperatorService[],
    deps: { readonly gate: Gate; readonly system: System; readonly logger: Logger },
  ) {
    this.#gate = deps.gate;
    this.#system = deps.system;
    this.#logger = deps.logger;
    for (const { service, handlers } of services) {
      for (const method of service.methods) {
        const handler = handlers.get(method.localName);
        if (handler !== undefined) this.#handlers.set(fullName(method), handler);
      }
    }
  }

  /** Calls a unary method. Throws PERMISSION_DENIED, and whatever the room throws. */
  async call(method: DescMethod, request: Message, invocation: Invocation): Promise<Message> {
    const context = this.#enter(method, {
      ...invocation,
      signal: AbortSignal.any([invocation.signal, AbortSignal.timeout(UNARY_DEADLINE)]),
    });
    const answer: unknown = await this.#handler(method)(request, context);
    return create(method.output, answer as MessageInitShape<DescMessage>);
  }

  /** Calls a server-streaming method; ends when the room is done or the signal aborts. */
  async *watch(method: DescMethod, request: Message, invocation: Invocation): AsyncGenerator<Message> {
    const context = this.#enter(method, invocation);
    const answers = this.#handler(method)(request, context) as AsyncIterable<MessageInitShape<DescMessage>>;
    for await (const answer of answers) {
      // A stream lives longer than a right to it may.
      this.#gate.admit(invocation.caller, fullName(method));
      yield create(method.output, answer);
    }
  }

  #enter(method: DescMethod, { caller, traceparent, signal }: Invocation): CallContext {
    const name = fullName(method);
    const trace = childSpan(parseTraceparent(traceparent), this.#system.draws.hex);
    const facts = {
      method: name,
      caller: caller.actor.name,
      tokenId: caller.tokenId,
      traceId: trace.traceId,
    };
    try {
      this.#gate.admit(caller, name);
    } catch (error) {
      this.#logger.warn("a call was not permitted", facts, error);
      throw error;
    }
    this.#logger.debug("call", facts);
    return { caller, trace, signal };
  }

  #handler(method: DescMethod): Handler {
    const handler = this.#handlers.get(fullName(method));
    if (handler === undefined) throw new OpsError("UNIMPLEMENTED", `${fullName(method)} is not offered here`);
    return handler;
  }
}
