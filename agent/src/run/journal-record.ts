/** What the journal's lines say, and reading them back with suspicion: the file may be of another version or damaged. */
import type { EventBody, LocalEvent, Mode, VerifiedOrder } from "./command.js";

/** One line. */
export type JournalRecord =
  | { readonly k: "order"; readonly order: VerifiedOrder }
  | { readonly k: "event"; readonly event: LocalEvent }
  /** The control plane has this command's events up to `through`. */
  | { readonly k: "ack"; readonly c: string; readonly m: Mode; readonly through: number };

/** A record as JSON can carry it: 64-bit numbers become texts. */
export function encodeRecord(record: JournalRecord): unknown {
  if (record.k !== "order") return record;
  return { ...record, order: { ...record.order, generation: record.order.generation.toString() } };
}

/** Reads a line's value; undefined when it is not one of these. */
export function readRecord(value: unknown): JournalRecord | undefined {
  const line = Object(value) as Readonly<Record<string, unknown>>;
  switch (line["k"]) {
    case "order": {
      const order = readOrder(line["order"]);
      return order === undefined ? undefined : { k: "order", order };
    }
    case "event": {
      const event = readEvent(line["event"]);
      return event === undefined ? undefined : { k: "event", event };
    }
    case "ack": {
      const { c, m, through } = line;
      if (typeof c !== "string" || !isMode(m) || typeof through !== "number") return undefined;
      return { k: "ack", c, m, through };
    }
    default:
      return undefined;
  }
}

function readOrder(value: unknown): VerifiedOrder | undefined {
  const o = Object(value) as Readonly<Record<string, unknown>>;
  const texts = [
    o["commandId"],
    o["nodeId"],
    o["action"],
    o["argumentsJson"],
    o["planHash"],
    o["traceparent"],
  ];
  const [commandId, nodeId, action, argumentsJson, planHash, traceparent] = texts.map((text) =>
    typeof text === "string" ? text : undefined,
  );
  const numbers = [o["issuedAt"], o["expiresAt"], o["timeoutMs"], o["outputBytesMax"]];
  const [issuedAt, expiresAt, timeoutMs, outputBytesMax] = numbers.map((n) =>
    typeof n === "number" ? n : undefined,
  );
  const { mode, generation } = o;
  if (commandId === undefined || nodeId === undefined || action === undefined || argumentsJson === undefined)
    return undefined;
  if (
    planHash === undefined ||
    traceparent === undefined ||
    issuedAt === undefined ||
    expiresAt === undefined
  )
    return undefined;
  if (timeoutMs === undefined || outputBytesMax === undefined || !isMode(mode)) return undefined;
  if (typeof generation !== "string" || !/^\d{1,20}$/.test(generation)) return undefined;
  return {
    commandId,
    nodeId,
    action,
    argumentsJson,
    mode,
    generation: BigInt(generation),
    planHash,
    issuedAt,
    expiresAt,
    timeoutMs,
    outputBytesMax,
    traceparent,
  };
}

function readEvent(value: unknown): LocalEvent | undefined {
  const { commandId, mode, sequence, at, body } = Object(value) as Readonly<Record<string, unknown>>;
  if (
    typeof commandId !== "string" ||
    !isMode(mode) ||
    typeof sequence !== "number" ||
    typeof at !== "number"
  )
    return undefined;
  return isBody(body) ? { commandId, mode, sequence, at, body } : undefined;
}

/** The checksum vouches for the rest of the body: a line is either as it was written or left out. */
function isBody(value: unknown): value is EventBody {
  const { kind } = Object(value) as Readonly<Record<string, unknown>>;
  return (
    kind === "accepted" ||
    kind === "started" ||
    kind === "output" ||
    kind === "finished" ||
    kind === "refused" ||
    kind === "interrupted"
  );
}

function isMode(value: unknown): value is Mode {
  return value === "preview" || value === "run";
}
