/**
 * Keys and PKCS#10 requests (RFC 2986). The request is encoded by hand: it is five nested sequences, and a certificate
 * library would stay in the agent's memory for ever (12 MB measured) for something done once a day.
 */
import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";

/** A new P-256 private key as PKCS#8 PEM. */
export function newPrivateKeyPem(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
}

/** The public half (SPKI DER) of a private key's PEM. */
export function publicKeyOf(privateKeyPem: string): Buffer {
  return createPublicKey(privateKeyPem).export({ type: "spki", format: "der" });
}

/** A request in DER for `commonName` (at most 64 characters), signed with the key: proof that it is held. */
export function certificateRequest(privateKeyPem: string, commonName: string): Buffer {
  const name = sequence(set(sequence(oid("2.5.4.3"), utf8(commonName.slice(0, 64)))));
  const info = sequence(der(0x02, Buffer.from([0])), name, publicKeyOf(privateKeyPem), der(0xa0));
  const signature = sign("sha256", info, privateKeyPem);
  return sequence(info, sequence(oid("1.2.840.10045.4.3.2")), der(0x03, Buffer.from([0]), signature));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
  const head = body.length < 0x80 ? [body.length] : [0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts);
const set = (...parts: readonly Buffer[]): Buffer => der(0x31, ...parts);
const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text, "utf8"));

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}
