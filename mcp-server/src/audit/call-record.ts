/** One call as the journal keeps it: what was called, by a digest of its arguments, and what came of it. */
import { sha256Hex } from "../system.js";

export interface CallRecord {
  readonly kind: "tool" | "resource" | "prompt" | "task" | "completion";
  readonly name: string;
  /** SHA-256 of the arguments as canonical JSON, hex: two calls with the same arguments have the same. */
  readonly argumentsDigest: string;
  readonly transport: "http" | "websocket" | "stdio";
  /** Ms since the epoch. */
  readonly at: number;
  readonly traceparent: string;
}

export interface EndedCall extends CallRecord {
  readonly code: string;
  readonly durationMs: number;
  readonly planHash?: string;
  readonly commandId?: string;
  readonly approver?: string;
}

/** JSON with the members of objects in the order of their names. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

export function digestOfArguments(given: unknown): string {
  return sha256Hex(canonical(given ?? {}));
}

const HASH = /^[0-9a-f]{64}$/;
const ID = /^[0-9a-zA-Z-]{1,64}$/;

/** Plan, command and approver, where an answer's structured content names them; texts of another form are left out. */
export function outcomeOf(structured: unknown): Pick<EndedCall, "planHash" | "commandId" | "approver"> {
  const planHash = textAt(structured, ["plan", "hash"]) ?? textAt(structured, ["plan_hash"]);
  const commandId = textAt(structured, ["command", "command_id"]) ?? textAt(structured, ["command_id"]);
  const approver = textAt(structured, ["command", "approved_by"]) ?? textAt(structured, ["approved_by"]);
  return {
    ...(planHash !== undefined && HASH.test(planHash) ? { planHash } : {}),
    ...(commandId !== undefined && ID.test(commandId) ? { commandId } : {}),
    ...(approver === undefined ? {} : { approver: approver.slice(0, 128) }),
  };
}

function textAt(value: unknown, path: readonly string[]): string | undefined {
  let at = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null || !(name in at)) return undefined;
    at = Reflect.get(at, name);
  }
  return typeof at === "string" && at !== "" ? at : undefined;
}
