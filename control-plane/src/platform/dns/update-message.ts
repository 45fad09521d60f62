/** A dynamic update (RFC 2136) as a message: what must hold, and what is put in its place, all or nothing. */
import { type Answer, encode } from "dns-packet";

/** One name and type with all its values. */
export interface RecordSet {
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME" | "TXT";
  readonly ttlSeconds: number;
  /** None: there is no such record. */
  readonly values: readonly string[];
}

export interface Update {
  readonly zone: string;
  /** What must stand there now, with any TTL; else nothing is changed (NXRRSET or YXRRSET). */
  readonly expect: readonly Omit<RecordSet, "ttlSeconds">[];
  /** What stands there afterwards. */
  readonly set: readonly RecordSet[];
}

const OPCODE_UPDATE = 5 << 11;
const CLASS = { IN: 1, NONE: 254, ANY: 255 } as const;
const TYPE = { A: 1, AAAA: 28, CNAME: 5, TXT: 16, SOA: 6 } as const;
const HEADER_BYTES = 12;

/** The library writes names and values; counts, and classes it does not know, are written here. */
export function encodeUpdate(id: number, { zone, expect, set }: Update): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const prerequisites = expect.flatMap((wanted) =>
    wanted.values.length === 0
      ? [empty(wanted, CLASS.NONE)]
      : wanted.values.map((value) => record({ ...wanted, ttlSeconds: 0 }, value)),
  );
  const updates = set.flatMap((wanted) => [
    empty(wanted, CLASS.ANY),
    ...wanted.values.map((value) => record(wanted, value)),
  ]);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(OPCODE_UPDATE, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(prerequisites.length, 6);
  header.writeUInt16BE(updates.length, 8);
  return Buffer.concat([header, question(zone), ...prerequisites, ...updates]);
}

function question(zone: string): Buffer {
  return encode({ type: "query", questions: [{ name: zone, type: "SOA", class: "IN" }] }).subarray(
    HEADER_BYTES,
  );
}

function record({ name, type, ttlSeconds }: RecordSet, value: string): Buffer {
  const answer: Answer =
    type === "TXT"
      ? { name, type, ttl: ttlSeconds, class: "IN", data: [value] }
      : { name, type, ttl: ttlSeconds, class: "IN", data: value };
  return encode({ type: "response", answers: [answer] }).subarray(HEADER_BYTES);
}

/** A record without a value: with ANY it removes all of its name and type, with NONE there must be none. */
function empty({ name, type }: Pick<RecordSet, "name" | "type">, klass: number): Buffer {
  const owner = question(name).subarray(0, -4);
  const rest = Buffer.alloc(10);
  rest.writeUInt16BE(TYPE[type], 0);
  rest.writeUInt16BE(klass, 2);
  return Buffer.concat([owner, rest]);
}
