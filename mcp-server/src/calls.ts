/**
 * How one call is carried out around its work: whose it is, whether there is room, whether it is switched off, its trace,
 * its errors, its line in the log and its entry in the journal.
 */
import type { ServerContext } from "@modelcontextprotocol/server";
import { COSTS, costClassOf, type Limits } from "./access/limits.js";
import type { Principal } from "./access/principal.js";
import { scopeOfTool } from "./access/scopes.js";
import type { SwitchWatch } from "./access/switch.js";
import { type CallRecord, digestOfArguments, outcomeOf } from "./audit/call-record.js";
import type { CallLedger } from "./audit/ledger.js";
import { CallScope } from "./call-scope.js";
import type { ControlPlane, Rooms } from "./control-plane/client.js";
import { type ErrorCode, isServerFault, messageOf, OpsError } from "./errors.js";
import type { Logger } from "./logger.js";
import type { System } from "./system.js";
import { onlyIds, type Telemetry } from "./telemetry.js";
import { formatTraceparent, parseTraceparent, type Span } from "./trace.js";

/** Where calls come from that bring no scope of their own: the one caller at the other end of a connection. */
export interface LocalCaller {
  readonly token: string;
  /** @default stdio */
  readonly transport?: "websocket" | "stdio";
  /** Absent where the caller was not asked for: on stdio it is whoever started this process. */
  readonly principal?: Principal;
}

export interface CallsParts {
  readonly controlPlane: Pick<ControlPlane, "speakAs">;
  readonly logger: Logger;
  readonly system: System;
  /** Absent: nobody is limited. Over HTTP the door limits. */
  readonly limits?: Limits;
  /** Absent: nothing is switched off. */
  readonly killSwitch?: SwitchWatch;
  /** Absent: no account is kept. */
  readonly ledger?: CallLedger;
  /** @default spans have ids and go nowhere */
  readonly telemetry?: Telemetry;
}

/** What was called. */
export interface Called {
  readonly kind: "tool" | "resource" | "completion" | "task" | "prompt";
  readonly name: string;
  /** @default read */
  readonly effect?: "read" | "write";
  /** What it was called with; only a digest of it is kept. */
  readonly arguments?: unknown;
}

export type Outcome<T> =
  | { readonly kind: "answered"; readonly value: T }
  | { readonly kind: "failed"; readonly error: OpsError };

/** Calls under way at once in this process; more are turned away, not queued. */
const CALLS_MAX = 64;

const METHODS: Readonly<Record<Called["kind"], string>> = {
  tool: "tools/call",
  resource: "resources/read",
  prompt: "prompts/get",
  completion: "completion/complete",
  task: "tasks/get",
};

/** What a client asks again and again while it waits, or while somebody types, is no call of its own. */
const UNRECORDED: ReadonlySet<string> = new Set(["tasks/get"]);

interface Carried {
  readonly called: Called & { readonly effect: "read" | "write" };
  readonly scope: CallScope | undefined;
  readonly local: LocalCaller | undefined;
  readonly principal: Principal | undefined;
  readonly transport: CallRecord["transport"];
  readonly span: Span;
}

export class Calls {
  readonly #parts: CallsParts;
  readonly #telemetry: Telemetry;
  #underWay = 0;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    this.#telemetry = parts.telemetry ?? onlyIds(parts.system);
  }

  /** That many random hex digits. */
  get hex(): (digits: number) => string {
    return this.#parts.system.hex;
  }

  /** The control plane on behalf of the request's caller, and the work done with it. Never throws. */
  async carry<T>(
    what: Called,
    context: ServerContext,
    local: LocalCaller | undefined,
    work: (rooms: Rooms, scope: CallScope | undefined) => Promise<T>,
  ): Promise<Outcome<T>> {
    const { system, controlPlane, logger, ledger } = this.#parts;
    const scope = scopeOf(context);
    const called = { ...what, effect: what.effect ?? (what.name === "tasks/cancel" ? "write" : "read") };
    const transport = scope !== undefined ? "http" : (local?.transport ?? "stdio");
    const principal = scope?.principal ?? local?.principal;
    const meta = context.mcpReq._meta;
    const method = called.kind === "task" ? called.name : METHODS[called.kind];
    const version = context.http?.req?.headers.get("mcp-protocol-version");
    const operation = this.#telemetry.begin(
      {
        ...{ method, target: called.kind === "task" ? "" : called.name, transport },
        protocolVersion: typeof version === "string" ? version : undefined,
      },
      parseTraceparent(meta?.["traceparent"]),
      scope?.parent,
    );
    const { span } = operation;
    const carried: Carried = { called, scope, local, principal, transport, span };
    const started = system.clock.monotonic();
    const record = this.#recordOf(carried);
    const token = scope?.token ?? local?.token;
    let outcome: Outcome<T>;
    let release: (() => void) | undefined;
    this.#underWay += 1;
    try {
      if (token === undefined) throw new OpsError("UNAUTHENTICATED", "the call came without a token");
      release = this.#admit(carried, token);
      const speaker = { token, traceparent: formatTraceparent(span), signal: context.mcpReq.signal };
      const rooms = controlPlane.speakAs(speaker);
      await this.#parts.killSwitch?.check(called.effect, () => rooms.mcp.switchState());
      // What cannot be written down is not done.
      if (called.effect === "write" && record !== undefined) await ledger?.begin(token, record);
      outcome = { kind: "answered", value: await work(rooms, scope) };
    } catch (error) {
      const failure = error instanceof OpsError ? error : unexpected(logger, called, span, error);
      outcome = { kind: "failed", error: failure };
    } finally {
      this.#underWay -= 1;
      release?.();
    }
    const failure = outcome.kind === "failed" ? outcome.error : undefined;
    const durationMs = system.clock.monotonic() - started;
    operation.end(failure?.code);
    if (scope !== undefined) scope.failure = failure?.code;
    if (record !== undefined && token !== undefined) {
      const came = outcome.kind === "answered" ? outcomeOf(structuredOf(outcome.value)) : {};
      ledger?.end(token, { ...record, ...came, code: failure?.code ?? "OK", durationMs });
    }
    log(logger, carried, durationMs, failure);
    return outcome;
  }

  /** Whether there is room and right. Throws RESOURCE_EXHAUSTED or PERMISSION_DENIED; answers what frees the room. */
  #admit({ called, scope, principal }: Carried, token: string): (() => void) | undefined {
    if (this.#underWay > CALLS_MAX) {
      throw new OpsError("RESOURCE_EXHAUSTED", `${CALLS_MAX} calls are under way: try again in a second`);
    }
    const grant = principal?.grant;
    const needed = scopeOfTool(called);
    if (grant !== undefined && !grant.scopes.includes(needed)) {
      throw new OpsError("PERMISSION_DENIED", `the access token lacks the scope ${needed}`);
    }
    // Over HTTP the door has counted it.
    if (scope !== undefined) return undefined;
    const admission = this.#parts.limits?.admit(principal?.name ?? token, COSTS[costClassOf(called)]);
    if (admission?.kind === "refused") throw new OpsError("RESOURCE_EXHAUSTED", admission.because);
    return admission?.release;
  }

  #recordOf({ called, transport, span }: Carried): CallRecord | undefined {
    const { ledger, system } = this.#parts;
    const { kind, name } = called;
    if (ledger === undefined || kind === "completion" || UNRECORDED.has(name)) return undefined;
    return {
      ...{ kind, name, transport },
      argumentsDigest: digestOfArguments(called.arguments),
      at: system.clock.now(),
      traceparent: formatTraceparent(span),
    };
  }
}

/** What came with the request over HTTP; undefined on other transports. */
export function scopeOf(context: Pick<ServerContext, "http">): CallScope | undefined {
  const scope = context.http?.authInfo?.extra?.["scope"];
  return scope instanceof CallScope ? scope : undefined;
}

function structuredOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "structured" in value ? value.structured : undefined;
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
  { called: { kind, name }, principal, span }: Carried,
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
    principal: principal?.name,
    tokenId: principal?.tokenId,
    because: failure === undefined ? undefined : messageOf(failure),
  };
  if (failure !== undefined && isServerFault(failure.code)) logger.warn(`a ${kind} call failed`, facts);
  else logger.info(`a ${kind} call was answered`, facts);
}
