/** A certificate and its key in two files: what they are, whether they are sound, and who serves them. */
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { chmod, chown, readFile, rename, stat, writeFile } from "node:fs/promises";
import { connect } from "node:tls";

/** A pair, as plans have it; of the key only a hash. */
export interface PairFacts {
  /** SHA-256 of the leaf's DER, hex. */
  readonly fingerprint: string;
  readonly subject: string;
  /** ISO 8601. */
  readonly notAfter: string;
  /** The same in ms since the epoch. */
  readonly endsAt: number;
  readonly startsAt: number;
  /** SHA-256 of the public half, hex; the key itself is in no plan. */
  readonly keyHash: string;
  readonly keyMatches: boolean;
}

const fileMax = 1_048_576;
const handshakeMs = 5_000;

/** Reads a pair. Throws when one of the files is not there or not what it should be. */
export async function readPair(certFile: string, keyFile: string): Promise<PairFacts> {
  const [certificateText, keyText] = await Promise.all([readBounded(certFile), readBounded(keyFile)]);
  const leaf = new X509Certificate(certificateText);
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(keyText);
  } catch {
    // What the library says could show parts of the key.
    throw new Error(`${keyFile}: it holds no private key in PEM`);
  }
  const [startsAt, endsAt] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  return {
    fingerprint: leaf.fingerprint256.replaceAll(":", "").toLowerCase(),
    subject: leaf.subject.replace(/\s+/g, ", ").slice(0, 200),
    notAfter: new Date(endsAt).toISOString(),
    startsAt,
    endsAt,
    keyHash: createHash("sha256")
      .update(leaf.publicKey.export({ format: "der", type: "spki" }))
      .digest("hex"),
    keyMatches: leaf.checkPrivateKey(key),
  };
}

async function readBounded(path: string): Promise<Buffer> {
  if ((await stat(path)).size > fileMax) throw new Error(`${path}: larger than any certificate`);
  return readFile(path);
}

/** Why a pair cannot be served; undefined when it can. */
export function whyNotSound(pair: PairFacts, now: number): string | undefined {
  if (!pair.keyMatches) return "the certificate is not for this key";
  if (pair.endsAt <= now) return `the certificate ended ${pair.notAfter}`;
  if (pair.startsAt > now) return `the certificate begins only ${new Date(pair.startsAt).toISOString()}`;
  return undefined;
}

/** Puts a pair into its files, each whole or not at all, with the owner and mode that the files had. */
export async function putPair(
  files: { readonly certFile: string; readonly keyFile: string },
  certificate: Buffer,
  key: Buffer,
): Promise<void> {
  await put(files.keyFile, key);
  await put(files.certFile, certificate);
}

async function put(path: string, content: Buffer): Promise<void> {
  const was = await stat(path);
  const draft = `${path}.new`;
  await writeFile(draft, content, { mode: 0o600, flush: true });
  await chown(draft, was.uid, was.gid);
  await chmod(draft, was.mode & 0o777);
  await rename(draft, path);
}

/** SHA-256 (hex) of the leaf that is served there. Whom it was signed by does not matter here: it is compared. */
export function servedFingerprint(at: {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: at.host,
      port: at.port,
      servername: /[a-z]/i.test(at.serverName) && !at.serverName.includes(":") ? at.serverName : "",
      rejectUnauthorized: false,
    });
    socket.setTimeout(handshakeMs, () => socket.destroy(new Error(`no handshake within ${handshakeMs} ms`)));
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      const found = socket.getPeerX509Certificate()?.fingerprint256 ?? "";
      socket.end();
      resolve(found.replaceAll(":", "").toLowerCase());
    });
  });
}
