import { createDecipheriv, createHash, createHmac, pbkdf2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import {
  childOf,
  childrenOf,
  DerFault,
  type DerNode,
  INTEGER,
  OCTET_STRING,
  OID,
  octets,
  oidText,
  readDer,
  SEQUENCE,
  smallInteger,
} from "./der.js";
import { decryptRc2Cbc } from "./rc2.js";

/**
 * The certificates of a PKCS#12 file (RFC 7292). Written here because Node opens such files only as a whole, private
 * key and all, into a TLS context that does not give the certificates back, and not at all when there is no key in it (a
 * trust store). The private key's bag is passed over without being decrypted.
 */

const DATA = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
const CERT_BAG = "1.2.840.113549.1.12.10.1.3";
const X509_CERT = "1.2.840.113549.1.9.22.1";
const NESTED_BAGS = "1.2.840.113549.1.12.10.1.6";
const PBES2 = "1.2.840.113549.1.5.13";
const PBKDF2 = "1.2.840.113549.1.5.12";
const CONTEXT_0 = 0xa0;
const IMPLICIT_0 = 0x80;

const HASHES: Readonly<Record<string, { readonly name: string; readonly blockBytes: number }>> = {
  "1.3.14.3.2.26": { name: "sha1", blockBytes: 64 },
  "2.16.840.1.101.3.4.2.4": { name: "sha224", blockBytes: 64 },
  "2.16.840.1.101.3.4.2.1": { name: "sha256", blockBytes: 64 },
  "2.16.840.1.101.3.4.2.2": { name: "sha384", blockBytes: 128 },
  "2.16.840.1.101.3.4.2.3": { name: "sha512", blockBytes: 128 },
};

const PRFS: Readonly<Record<string, string>> = {
  "1.2.840.113549.2.7": "sha1",
  "1.2.840.113549.2.8": "sha224",
  "1.2.840.113549.2.9": "sha256",
  "1.2.840.113549.2.10": "sha384",
  "1.2.840.113549.2.11": "sha512",
};

const CIPHERS: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  "2.16.840.1.101.3.4.1.2": { name: "aes-128-cbc", keyBytes: 16 },
  "2.16.840.1.101.3.4.1.22": { name: "aes-192-cbc", keyBytes: 24 },
  "2.16.840.1.101.3.4.1.42": { name: "aes-256-cbc", keyBytes: 32 },
  "1.2.840.113549.3.7": { name: "des-ede3-cbc", keyBytes: 24 },
};

/** Password-based encryption of PKCS#12 itself: SHA-1 and an old cipher. */
const OLD_CIPHERS: Readonly<
  Record<string, { readonly keyBytes: number; readonly rc2Bits: number | undefined }>
> = {
  "1.2.840.113549.1.12.1.3": { keyBytes: 24, rc2Bits: undefined },
  "1.2.840.113549.1.12.1.4": { keyBytes: 16, rc2Bits: undefined },
  "1.2.840.113549.1.12.1.5": { keyBytes: 16, rc2Bits: 128 },
  "1.2.840.113549.1.12.1.6": { keyBytes: 5, rc2Bits: 40 },
};

/** Iterations in JavaScript, 2 µs each, on the agent's one thread: OpenSSL writes 2,048, Java 10,000 to 50,000. */
const OWN_ITERATIONS_MAX = 100_000;
/** Iterations of PBKDF2, which runs in the thread pool. */
const PBKDF2_ITERATIONS_MAX = 10_000_000;

const pbkdf2Async = promisify(pbkdf2);

/** What a PKCS#12 file gave. */
export type Opened =
  | { readonly kind: "opened"; readonly certificates: readonly Buffer[] }
  | { readonly kind: "failed"; readonly because: string };

/** Whether these bytes begin as a PKCS#12 file does: a sequence with version 3. */
export function looksLikePkcs12(bytes: Buffer): boolean {
  try {
    const [version] = childrenOf(readDer(bytes));
    return version?.tag === INTEGER && smallInteger(version) === 3;
  } catch {
    return false;
  }
}

/** The certificates, in the file's order, as DER. Without a password the empty one is tried in both its spellings. */
export async function openPkcs12(bytes: Buffer, password: string): Promise<Opened> {
  try {
    const pfx = childrenOf(readDer(bytes));
    const authSafe = pfx[1];
    if (authSafe === undefined) throw new DerFault("the content is not there");
    const content = contentOf(authSafe, DATA);
    const key = passwordFor(pfx[2], content, password);
    if (key === undefined) return { kind: "failed", because: "the password does not fit (PKCS#12)" };
    const certificates: Buffer[] = [];
    for (const part of childrenOf(readDer(content))) {
      const kind = oidText(childOf(part, 0, OID, "a content's type"));
      if (kind === DATA) collect(readDer(contentOf(part, DATA)), certificates, 0);
      else if (kind === ENCRYPTED_DATA)
        collect(readDer(await decrypted(part, key, password)), certificates, 0);
    }
    return { kind: "opened", certificates };
  } catch (error) {
    return { kind: "failed", because: `PKCS#12: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** The octets inside a content info of the given type. */
function contentOf(info: DerNode, type: string): Buffer {
  const found = oidText(childOf(info, 0, OID, "a content's type"));
  if (found !== type)
    throw new DerFault(`content of type ${found}, expected ${type} (signed files are not read)`);
  return octets(readDer(childOf(info, 1, CONTEXT_0, "a content").content));
}

function collect(safeContents: DerNode, into: Buffer[], depth: number): void {
  for (const bag of childrenOf(safeContents)) {
    const [id, value] = childrenOf(bag);
    if (id === undefined || value?.tag !== CONTEXT_0) continue;
    const kind = oidText(id);
    const inner = readDer(value.content);
    if (kind === NESTED_BAGS && depth < 4) collect(inner, into, depth + 1);
    if (kind !== CERT_BAG || oidText(childOf(inner, 0, OID, "a certificate's type")) !== X509_CERT) continue;
    into.push(octets(readDer(childOf(inner, 1, CONTEXT_0, "a certificate").content)));
  }
}

/**
 * The password's bytes as PKCS#12 takes them: UTF-16, big-endian, with a zero at the end. The MAC says whether they are
 * right. An empty password is written in two ways, with and without that zero.
 */
function passwordFor(macData: DerNode | undefined, content: Buffer, password: string): Buffer | undefined {
  const withZero = Buffer.from(`${password}\0`, "utf16le").swap16();
  if (macData === undefined) return withZero;
  const [info, salt, iterations] = childrenOf(macData);
  if (info === undefined || salt === undefined) throw new DerFault("the MAC is not whole");
  const algorithm = oidText(
    childOf(childOf(info, 0, SEQUENCE, "the MAC's algorithm"), 0, OID, "the MAC's hash"),
  );
  const hash = HASHES[algorithm];
  // A MAC of a kind not known here (PBMAC1) is not checked: a wrong password shows when the text is decrypted.
  if (hash === undefined) return withZero;
  const expected = octets(childOf(info, 1, OCTET_STRING, "the MAC's value"));
  const count = iterations === undefined ? 1 : smallInteger(iterations);
  const candidates = password === "" ? [withZero, Buffer.alloc(0)] : [withZero];
  return candidates.find((candidate) => {
    const key = deriveKey(candidate, octets(salt), count, 3, expected.length, hash);
    const mac = createHmac(hash.name, key).update(content).digest();
    return mac.length === expected.length && timingSafeEqual(mac, expected);
  });
}

async function decrypted(part: DerNode, key: Buffer, password: string): Promise<Buffer> {
  const data = readDer(childOf(part, 1, CONTEXT_0, "encrypted data").content);
  const info = childOf(data, 1, SEQUENCE, "encrypted content");
  const algorithm = childOf(info, 1, SEQUENCE, "the encryption's algorithm");
  const text = childrenOf(info)[2];
  if (text === undefined) throw new DerFault("the encrypted text is not there");
  const oid = oidText(childOf(algorithm, 0, OID, "the encryption's name"));
  const parameters = childOf(algorithm, 1, SEQUENCE, "the encryption's parameters");
  const bytes = octets(text, IMPLICIT_0);
  if (oid === PBES2) return decryptPbes2(parameters, password, bytes);
  return decryptOld(oid, parameters, key, bytes);
}

async function decryptPbes2(parameters: DerNode, password: string, bytes: Buffer): Promise<Buffer> {
  const kdf = childOf(parameters, 0, SEQUENCE, "the key derivation");
  const kdfName = oidText(childOf(kdf, 0, OID, "the key derivation's name"));
  if (kdfName !== PBKDF2) throw new DerFault(`key derivation ${kdfName}, expected PBKDF2`);
  const [salt, iterations, ...more] = childrenOf(
    childOf(kdf, 1, SEQUENCE, "the key derivation's parameters"),
  );
  if (salt === undefined || iterations === undefined) throw new DerFault("the key derivation is not whole");
  const prfNode = more.find(({ tag }) => tag === SEQUENCE);
  const prfName = prfNode === undefined ? "sha1" : PRFS[oidText(childOf(prfNode, 0, OID, "the PRF"))];
  const scheme = childOf(parameters, 1, SEQUENCE, "the cipher");
  const cipherName = oidText(childOf(scheme, 0, OID, "the cipher's name"));
  const cipher = CIPHERS[cipherName];
  if (cipher === undefined || prfName === undefined) throw new DerFault(`cipher ${cipherName} is not known`);
  const count = bounded(smallInteger(iterations), PBKDF2_ITERATIONS_MAX);
  const key = await pbkdf2Async(Buffer.from(password, "utf8"), octets(salt), count, cipher.keyBytes, prfName);
  return decipher(cipher.name, key, octets(childOf(scheme, 1, OCTET_STRING, "the cipher's IV")), bytes);
}

function decryptOld(oid: string, parameters: DerNode, password: Buffer, bytes: Buffer): Buffer {
  const cipher = OLD_CIPHERS[oid];
  if (cipher === undefined) throw new DerFault(`encryption ${oid} is not known`);
  const salt = octets(childOf(parameters, 0, OCTET_STRING, "the salt"));
  const count = smallInteger(childOf(parameters, 1, INTEGER, "the iterations"));
  const sha1 = { name: "sha1", blockBytes: 64 };
  const key = deriveKey(password, salt, count, 1, cipher.keyBytes, sha1);
  const iv = deriveKey(password, salt, count, 2, 8, sha1);
  if (cipher.rc2Bits !== undefined) {
    const plain = decryptRc2Cbc(key, cipher.rc2Bits, iv, bytes);
    if (plain === undefined) throw new DerFault("the password does not fit");
    return plain;
  }
  // Two keys: the first is used a second time.
  const three = cipher.keyBytes === 16 ? Buffer.concat([key, key.subarray(0, 8)]) : key;
  return decipher("des-ede3-cbc", three, iv, bytes);
}

function decipher(name: string, key: Buffer, iv: Buffer, bytes: Buffer): Buffer {
  const cipher = createDecipheriv(name, key, iv);
  try {
    return Buffer.concat([cipher.update(bytes), cipher.final()]);
  } catch {
    // OpenSSL's own words would be "bad decrypt".
    throw new DerFault("the password does not fit");
  }
}

/** Key derivation of RFC 7292, appendix B.2. `purpose` is 1 for a key, 2 for an IV, 3 for a MAC key. */
export function deriveKey(
  password: Buffer,
  salt: Buffer,
  iterations: number,
  purpose: 1 | 2 | 3,
  bytes: number,
  hash: { readonly name: string; readonly blockBytes: number },
): Buffer {
  const count = bounded(iterations, OWN_ITERATIONS_MAX);
  const { name, blockBytes } = hash;
  const diversifier = Buffer.alloc(blockBytes, purpose);
  const input = Buffer.concat([repeated(salt, blockBytes), repeated(password, blockBytes)]);
  const pieces: Buffer[] = [];
  for (let made = 0; made < bytes; ) {
    let digest = createHash(name).update(diversifier).update(input).digest();
    for (let i = 1; i < count; i++) digest = createHash(name).update(digest).digest();
    pieces.push(digest);
    made += digest.length;
    const addend = repeated(digest, blockBytes).subarray(0, blockBytes);
    for (let at = 0; at < input.length; at += blockBytes)
      addPlusOne(input.subarray(at, at + blockBytes), addend);
  }
  return Buffer.concat(pieces).subarray(0, bytes);
}

/** As many copies as fill whole blocks; nothing for nothing. */
function repeated(bytes: Buffer, blockBytes: number): Buffer {
  if (bytes.length === 0) return Buffer.alloc(0);
  return Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes);
}

/** block := block + addend + 1, as one big number. */
function addPlusOne(block: Buffer, addend: Buffer): void {
  let carry = 1;
  for (let i = block.length - 1; i >= 0; i--) {
    const sum = (block[i] as number) + (addend[i] as number) + carry;
    block[i] = sum & 0xff;
    carry = sum >> 8;
  }
}

function bounded(iterations: number, max: number): number {
  if (iterations >= 1 && iterations <= max) return iterations;
  throw new DerFault(`${iterations} iterations, expected 1 to ${max}`);
}
