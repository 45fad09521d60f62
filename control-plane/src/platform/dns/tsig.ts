/**
 * Signatures over DNS messages with a key that both sides have (TSIG, RFC 8945). Written and not taken: the libraries that
 * npm has for DNS messages do not know it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { OpsError } from "../../kernel/errors.js";
import type { Instant } from "../../kernel/time.js";

export interface TsigKey {
  readonly name: string;
  readonly algorithm: "hmac-sha256" | "hmac-sha384" | "hmac-sha512";
  readonly secret: Buffer;
}

const TSIG_TYPE = 250;
const CLASS_ANY = 255;
/** Seconds by which the clocks may differ; what the RFC recommends. */
const FUDGE_SECONDS = 300;
const HEADER_BYTES = 12;
const ARCOUNT_AT = 10;

/** Errors of TSIG that a server tells, by number. */
const ERRORS: Readonly<Record<number, string>> = {
  16: "the signature does not fit (BADSIG): another secret?",
  17: "the server has no such key (BADKEY)",
  18: "the clocks differ too much (BADTIME)",
  22: "the signature is too short (BADTRUNC)",
};

/** Adds the signature to `message`; `mac` is needed to check the answer's. */
export function signMessage(
  message: Buffer,
  key: TsigKey,
  now: Instant,
): { readonly message: Buffer; readonly mac: Buffer } {
  const time = Math.floor(now / 1_000);
  const mac = digest(key, [message, variables(key, time, FUDGE_SECONDS, 0, Buffer.alloc(0))]);
  const rdata = Buffer.concat([
    wireName(key.algorithm),
    uint48(time),
    uint16(FUDGE_SECONDS),
    uint16(mac.length),
    mac,
    message.subarray(0, 2),
    uint16(0),
    uint16(0),
  ]);
  const record = Buffer.concat([
    wireName(key.name),
    uint16(TSIG_TYPE),
    uint16(CLASS_ANY),
    uint32(0),
    uint16(rdata.length),
    rdata,
  ]);
  const signed = Buffer.concat([message, record]);
  signed.writeUInt16BE(signed.readUInt16BE(ARCOUNT_AT) + 1, ARCOUNT_AT);
  return { message: signed, mac };
}

/** Throws OpsError UNAUTHENTICATED when the answer is not signed with the key, or the server refused ours. */
export function checkAnswer(answer: Buffer, key: TsigKey, requestMac: Buffer, now: Instant): void {
  const fault = (because: string): OpsError =>
    new OpsError("UNAUTHENTICATED", `the DNS server's answer, TSIG key "${key.name}": ${because}`);
  let found: ReturnType<typeof readTsig>;
  try {
    found = readTsig(answer);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw fault("it is no whole message");
  }
  if (found === undefined) throw fault("it is not signed");
  const { name, algorithm, time, fudge, mac, error, other, originalId, startsAt } = found;
  // A server that cannot trust us answers without a signature that could be checked.
  if (error === 16 || error === 17) throw fault(ERRORS[error] ?? "");
  if (name !== key.name.toLowerCase().replace(/\.$/, "") || algorithm !== key.algorithm)
    throw fault(`it is signed with "${name}" (${algorithm})`);
  const unsigned = Buffer.from(answer.subarray(0, startsAt));
  unsigned.writeUInt16BE(originalId, 0);
  unsigned.writeUInt16BE(unsigned.readUInt16BE(ARCOUNT_AT) - 1, ARCOUNT_AT);
  const expected = digest(key, [
    uint16(requestMac.length),
    requestMac,
    unsigned,
    variables(key, time, fudge, error, other),
  ]);
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected))
    throw fault("the signature does not fit");
  if (error !== 0) throw fault(ERRORS[error] ?? `error ${error}`);
  if (Math.abs(now / 1_000 - time) > fudge) throw fault(`it is signed at ${time}, which is not now`);
}

function readTsig(message: Buffer) {
  const counts = [4, 6, 8, ARCOUNT_AT].map((at) => message.readUInt16BE(at));
  const [questions = 0, answers = 0, authorities = 0, additionals = 0] = counts;
  let at = HEADER_BYTES;
  for (let index = 0; index < questions; index++) at = skipName(message, at) + 4;
  const records = answers + authorities + additionals;
  for (let index = 0; index < records; index++) {
    const startsAt = at;
    const fixed = skipName(message, at);
    const type = message.readUInt16BE(fixed);
    const length = message.readUInt16BE(fixed + 8);
    at = fixed + 10 + length;
    if (index !== records - 1 || type !== TSIG_TYPE || additionals === 0) continue;
    const rdata = message.subarray(fixed + 10, at);
    const algorithmEnd = skipName(rdata, 0);
    const macLength = rdata.readUInt16BE(algorithmEnd + 8);
    const macEnd = algorithmEnd + 10 + macLength;
    const otherLength = rdata.readUInt16BE(macEnd + 4);
    return {
      startsAt,
      name: textName(message, startsAt),
      algorithm: textName(rdata, 0),
      time: rdata.readUIntBE(algorithmEnd, 6),
      fudge: rdata.readUInt16BE(algorithmEnd + 6),
      mac: rdata.subarray(algorithmEnd + 10, macEnd),
      originalId: rdata.readUInt16BE(macEnd),
      error: rdata.readUInt16BE(macEnd + 2),
      other: rdata.subarray(macEnd + 6, macEnd + 6 + otherLength),
    };
  }
  return undefined;
}

/** Behind the name that begins at `at`. Throws RangeError at the message's end. */
function skipName(message: Buffer, at: number): number {
  for (let here = at; ; ) {
    const length = message.readUInt8(here);
    if (length === 0) return here + 1;
    if (length >= 0xc0) return here + 2;
    here += length + 1;
  }
}

function textName(message: Buffer, at: number): string {
  const labels: string[] = [];
  // A name has 127 labels at most; pointers that go round end here, too.
  for (let here = at, steps = 0; steps < 128; steps++) {
    const length = message.readUInt8(here);
    if (length === 0) break;
    if (length >= 0xc0) {
      here = message.readUInt16BE(here) & 0x3fff;
      continue;
    }
    labels.push(message.toString("latin1", here + 1, here + 1 + length));
    here += length + 1;
  }
  return labels.join(".").toLowerCase();
}

function variables(key: TsigKey, time: number, fudge: number, error: number, other: Buffer): Buffer {
  return Buffer.concat([
    wireName(key.name),
    uint16(CLASS_ANY),
    uint32(0),
    wireName(key.algorithm),
    uint48(time),
    uint16(fudge),
    uint16(error),
    uint16(other.length),
    other,
  ]);
}

function digest({ algorithm, secret }: TsigKey, parts: readonly Buffer[]): Buffer {
  const hmac = createHmac(algorithm.slice("hmac-".length), secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** In canonical form: lower-case, never compressed. */
function wireName(name: string): Buffer {
  const labels = name.toLowerCase().replace(/\.$/, "").split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, "latin1")])),
    Buffer.of(0),
  ]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint48(value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(value, 0, 6);
  return bytes;
}
