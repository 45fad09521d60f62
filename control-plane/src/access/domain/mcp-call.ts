/** Calls of AI clients as entries of the journal: bounded, and without their arguments. */
import type { NewEntry } from "../../journal/domain/entry.js";
import type { Actor } from "../../kernel/actor.js";
import { cleanText } from "../../kernel/clean-text.js";
import type { Instant } from "../../kernel/time.js";
import { parseTraceparent } from "../../kernel/trace.js";

export const CALLS_MAX = 200;

const KINDS: ReadonlySet<string> = new Set(["tool", "resource", "prompt", "task", "completion"]);
const TRANSPORTS: ReadonlySet<string> = new Set(["http", "websocket", "stdio"]);
const NAME_MAX = 128;
const CODE = /^[A-Z_]{2,32}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const ID = /^[0-9a-zA-Z-]{1,64}$/;

/** As it was told; nothing of it is believed before `entryOfCall` has looked at it. */
export interface McpCall {
  readonly kind: string;
  readonly name: string;
  readonly phase: string;
  readonly argumentsDigest: string;
  readonly code: string;
  readonly at: Instant | undefined;
  readonly durationMs: number;
  readonly planHash: string;
  readonly commandId: string;
  readonly approver: string;
  readonly traceparent: string;
  readonly transport: string;
}

export type ReadCall =
  | { readonly kind: "entry"; readonly entry: NewEntry }
  | { readonly kind: "fault"; readonly because: string };

/** Judges one call and makes its entry: `mcp.call-begun` before a change is asked for, `mcp.called` for an answer. */
export function entryOfCall(call: McpCall, actor: Actor, now: Instant): ReadCall {
  const fault = (field: string, value: string, expected: string): ReadCall => ({
    kind: "fault",
    because: `journal calls: ${field} is ${JSON.stringify(cleanText(value, 60))}, expected ${expected}`,
  });
  if (!KINDS.has(call.kind)) return fault("kind", call.kind, [...KINDS].join(", "));
  const name = cleanText(call.name, NAME_MAX).trim();
  if (name === "") return fault("name", call.name, "a name");
  const begun = call.phase === "begun";
  if (!begun && call.phase !== "ended") return fault("phase", call.phase, "begun or ended");
  if (!begun && !CODE.test(call.code)) return fault("code", call.code, "OK or an error's code");
  if (!DIGEST.test(call.argumentsDigest))
    return fault("arguments_digest", call.argumentsDigest, "a SHA-256 in hex");
  if (call.planHash !== "" && !DIGEST.test(call.planHash))
    return fault("plan_hash", call.planHash, "a SHA-256 in hex");
  if (call.commandId !== "" && !ID.test(call.commandId)) return fault("command_id", call.commandId, "an id");
  if (!TRANSPORTS.has(call.transport)) return fault("transport", call.transport, [...TRANSPORTS].join(", "));
  const trace = parseTraceparent(call.traceparent);
  const approver = cleanText(call.approver, NAME_MAX).trim();
  const what = `${actor.name} ${begun ? "is about to call" : "called"} the ${call.kind} ${name}`;
  return {
    kind: "entry",
    entry: {
      at: now,
      kind: begun ? "mcp.call-begun" : "mcp.called",
      subject: `caller:${actor.name}`,
      actor,
      because: begun || call.code === "OK" ? what : `${what}: ${call.code}`,
      facts: {
        [call.kind]: name,
        argumentsDigest: call.argumentsDigest,
        transport: call.transport,
        ...(begun ? {} : { code: call.code, durationMs: Math.min(call.durationMs, 3_600_000) }),
        ...(call.at === undefined ? {} : { calledAt: call.at }),
        ...(call.planHash === "" ? {} : { planHash: call.planHash }),
        ...(call.commandId === "" ? {} : { commandId: call.commandId }),
        ...(approver === "" ? {} : { approver }),
      },
      ...(trace === undefined ? {} : { traceparent: call.traceparent }),
    },
  };
}
