/** How one call is carried out around its work: whose it is, whether there is room, its trace, its errors, its line in the log. */
import type { ServerContext } from "@modelcontextprotocol/server";
import { CallScope } from "./call-scope.js";
import type { ControlPlane, Rooms } from "./control-plane/client.js";
import { type ErrorCode, isServerFault, messageOf, OpsError } from "./errors.js";
import type { Logger } from "./logger.js";
import type { System } from "./system.js";
import { formatTraceparent, parseTraceparent, type Span, spanBelow } from "./trace.js";

/** Where calls come from that bring no scope of their own: the one caller at the other end of a connection. */
export interface LocalCaller {
  readonly token: string;
}

export interface CallsParts {
  readonly controlPlane: Pick<ControlPlane, "speakAs">;
  readonly logger: Logger;
  readonly system: System;
}

/** What was called, for the log. */
export interface Called {
  readonly kind: "tool" | "resource" | "completion" | "task";
  readonly name: string;
}

export type Outcome<T> =
  | { readonly kind: "answered"; readonly value: T }
  | { readonly kind: "failed"; readonly error: OpsError };

/** Calls under way at once in this process; more are turned away, not queued. */
const CALLS_MAX = 64;

export class Calls {
  readonly #parts: CallsParts;
  #underWay = 0;

  constructor(parts: CallsParts) {
    this.#parts = parts;
  }

  /** That many random hex digits. */
  get hex(): (digits: number) => string {
    return this.#parts.system.hex;
  }

  /** The control plane on behalf of the request's caller, and the work done with it. Never throws. */
  async carry<T>(
    called: Called,
    context: ServerContext,
    local: LocalCaller | undefined,
    work: (rooms: Rooms, scope: CallScope | undefined) => Promise<T>,
  ): Promise<Outcome<T>> {
    const { system, controlPlane, logger } = this.#parts;
    const scope = scopeOf(context);
    const span = spanBelow(
      system.hex,
      parseTraceparent(context.mcpReq._meta?.["traceparent"]),
      scope?.parent,
    );
    const started = system.clock.monotonic();
    let outcome: Outcome<T>;
    this.#underWay += 1;
    try {
      const token = scope?.token ?? local?.token;
      if (token === undefined) throw new OpsError("UNAUTHENTICATED", "the call came without a token");
      if (this.#underWay > CALLS_MAX) {
        throw new OpsError("RESOURCE_EXHAUSTED", `${CALLS_MAX} calls are under way: try again in a second`);
      }
      const speaker = { token, traceparent: formatTraceparent(span), signal: context.mcpReq.signal };
      outcome = { kind: "answered", value: await work(controlPlane.speakAs(speaker), scope) };
    } catch (error) {
      const failure = error instanceof OpsError ? error : unexpected(logger, called, span, error);
      outcome = { kind: "failed", error: failure };
    } finally {
      this.#underWay -= 1;
    }
    const failure = outcome.kind === "failed" ? outcome.error : undefined;
    if (scope !== undefined) scope.failure = failure?.code;
    log(logger, called, scope, span, system.clock.monotonic() - started, failure);
    return outcome;
  }
}

/** What came with the request over HTTP; undefined on other transports. */
export function scopeOf(context: Pick<ServerContext, "http">): CallScope | undefined {
  const scope = context.http?.authInfo?.extra?.["scope"];
  return scope instanceof CallScope ? scope : undefined;
}

/** A fault of ours: told in full to the log, and to the caller only under which trace it stands there. */
function unexpected(logger: Logger, { kind, name }: Called, span: Span, error: unknown): OpsError {
  logger.error(`a ${kind} failed inside`, { [kind]: name, traceId: span.traceId }, error);
  return new OpsError("INTERNAL", `an internal error; the log has it under trace ${span.traceId}`, {
    cause: error,
  });
}

function log(
  logger: Logger,
  { kind, name }: Called,
  scope: CallScope | undefined,
  span: Span,
  ms: number,
  failure: OpsError | undefined,
): void {
  const code: ErrorCode | "OK" = failure?.code ?? "OK";
  const facts = {
    [kind]: name,
    code,
    ms: Math.round(ms),
    traceId: span.traceId,
    spanId: span.spanId,
    principal: scope?.principal.name,
    tokenId: scope?.principal.tokenId,
    because: failure === undefined ? undefined : messageOf(failure),
  };
  if (failure !== undefined && isServerFault(failure.code)) logger.warn(`a ${kind} call failed`, facts);
  else logger.info(`a ${kind} call was answered`, facts);
}
