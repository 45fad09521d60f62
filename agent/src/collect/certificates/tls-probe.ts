import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { isIP } from "node:net";
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import type { TlsEndpoint } from "../collect-settings.js";
import type { CollectClock } from "../ports.js";
import type { FoundCertificate } from "../reading.js";
import { describeCertificate, unreadable } from "./describe-certificate.js";

/** What a TLS endpoint showed. */
export interface TlsProbe {
  /** `tls://host:port`, with the server name when it is another. */
  readonly target: string;
  readonly seconds: number;
  /** The handshake was done and the chain verifies for the name. */
  readonly success: boolean;
  readonly certificates: readonly FoundCertificate[];
  readonly failed: boolean;
}

const CHAIN_MAX = 10;
const SYSTEM_BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
];

/** OpenSSL's codes in words; the others are given as they are. */
const SENTENCES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "a certificate of the chain has expired",
  CERT_NOT_YET_VALID: "a certificate of the chain is not valid yet",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "the chain ends in a root that is not trusted",
  UNABLE_TO_GET_ISSUER_CERT: "an issuer of the chain is missing",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the chain does not lead to a trusted root",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the issuer of the certificate is not sent and not trusted",
};

/**
 * Looks at TLS endpoints: connects, takes the chain, closes. Verification uses the host's own bundle of authorities, as
 * the other programs of the host do, or the endpoint's `caFile`. Old protocols and ciphers are spoken too: an endpoint
 * that has nothing better is to be reported, not to be missed.
 */
export class TlsProber {
  readonly #clock: CollectClock;
  readonly #timeoutMs: number;
  /** By path of the CA file, as parsing a bundle takes 10 ms and its context 2 MB. */
  readonly #contexts = new Map<string, { readonly stamp: string; readonly context: SecureContext }>();

  constructor(clock: CollectClock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** One look at one endpoint. Does not throw. */
  async probe(endpoint: TlsEndpoint): Promise<TlsProbe> {
    const target = targetOf(endpoint);
    const from = this.#clock.monotonic();
    const seconds = (): number => (this.#clock.monotonic() - from) / 1_000;
    try {
      const { chain, verificationError } = await this.#handshake(
        endpoint,
        await this.#context(endpoint.caFile),
      );
      const certificates = chain.map((certificate, i) =>
        describeCertificate(certificate, target, i, i === 0 ? verificationError : ""),
      );
      return { target, seconds: seconds(), success: verificationError === "", certificates, failed: false };
    } catch (error) {
      const because = error instanceof Error ? error.message : String(error);
      return {
        target,
        seconds: seconds(),
        success: false,
        certificates: [unreadable(target, because)],
        failed: true,
      };
    }
  }

  #handshake(endpoint: TlsEndpoint, secureContext: SecureContext): Promise<Handshake> {
    const { host, port, serverName } = endpoint;
    return new Promise((resolve, reject) => {
      const socket = connect({
        host,
        port,
        secureContext,
        rejectUnauthorized: false,
        // An address is no server name (RFC 6066); the certificate is still checked against it.
        ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
        checkServerIdentity: () => undefined,
      });
      const cancel = this.#clock.after(this.#timeoutMs, () =>
        socket.destroy(new Error(`no TLS handshake within ${this.#timeoutMs} ms`)),
      );
      socket.once("secureConnect", () => {
        cancel();
        try {
          resolve(handshakeOf(socket, serverName));
        } catch (error) {
          reject(error);
        }
        socket.destroy();
      });
      socket.once("close", () => {
        cancel();
        reject(new Error("the connection was closed before the handshake was done"));
      });
      socket.on("error", (error) => {
        cancel();
        reject(error);
      });
    });
  }

  async #context(caFile: string | undefined): Promise<SecureContext> {
    const path = caFile ?? (await systemBundle());
    const stamp = path === undefined ? "" : await stampOf(path);
    const kept = this.#contexts.get(path ?? "");
    if (kept?.stamp === stamp) return kept.context;
    const context = createSecureContext({
      ...(path === undefined ? {} : { ca: await readFile(path) }),
      minVersion: "TLSv1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    this.#contexts.set(path ?? "", { stamp, context });
    return context;
  }
}

interface Handshake {
  readonly chain: readonly X509Certificate[];
  readonly verificationError: string;
}

/** `tls://host:port`, and the server name behind it when it is not the host. */
export function targetOf(endpoint: TlsEndpoint): string {
  const { host, port, serverName } = endpoint;
  const address = `tls://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return serverName === host ? address : `${address}/${serverName}`;
}

function handshakeOf(socket: TLSSocket, serverName: string): Handshake {
  const peer = socket.getPeerCertificate(true);
  if (peer.raw === undefined) throw new Error("the server showed no certificate");
  const chain = chainOf(peer);
  const errors: string[] = [];
  if (!socket.authorized) errors.push(sentenceOf(socket.authorizationError));
  // Asked apart from the chain: Node looks at the name only when the chain is good, and an operator wants both.
  const nameError = checkServerIdentity(serverName, peer);
  if (nameError !== undefined) errors.push(`it is not for ${serverName}: ${nameError.message}`);
  return { chain, verificationError: errors.join("; ") };
}

function chainOf(peer: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  // A root is its own issuer; a hostile chain could go round longer ways.
  for (let at: DetailedPeerCertificate | undefined = peer; at?.raw !== undefined; at = at.issuerCertificate) {
    if (seen.has(at.fingerprint256) || chain.length === CHAIN_MAX) break;
    seen.add(at.fingerprint256);
    chain.push(new X509Certificate(at.raw));
  }
  return chain;
}

function sentenceOf(error: Error | string | undefined): string {
  const code =
    typeof error === "string"
      ? error
      : ((error as NodeJS.ErrnoException | undefined)?.code ?? error?.message);
  if (code === undefined) return "the chain does not verify";
  const sentence = SENTENCES[code];
  return sentence === undefined ? code : `${sentence} (${code})`;
}

async function systemBundle(): Promise<string | undefined> {
  for (const path of SYSTEM_BUNDLES) if ((await stampOf(path)) !== "") return path;
  // No bundle: the authorities that came with Node.
  return undefined;
}

async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return "";
  }
}
