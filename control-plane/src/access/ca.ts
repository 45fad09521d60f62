/** The house's certificate authority: agents get their identity from it and trust nothing else. */
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { OpsError } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import { DAY, type Duration, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import { type System, sha256Hex } from "../platform/system.js";
import { checkRequest } from "./certificate-request.js";
import { type KeyStore, keptOrMade } from "./key-store.js";

cryptoProvider.set(webcrypto as typeof globalThis.crypto);

/** The DNS name by which agents know the control plane, wherever it listens. */
export const CONTROL_PLANE_NAME = "control-plane.mainstay";

/** Under it each node has a DNS name, by which other nodes know it. */
const NODE_DOMAIN = "node.mainstay";

const CA_LIFETIME: Duration = 10 * 365 * DAY;
const SERVER_LIFETIME: Duration = 90 * DAY;

/** Clocks differ: certificates count from a little before they were made. */
const BACKDATED: Duration = 5 * MINUTE;

const P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

export interface IssuedCertificate {
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  /** The certificate and the authority's own. */
  readonly chainPem: string;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
}

export interface ServerCertificate extends IssuedCertificate {
  /** PKCS#8, PEM. */
  readonly keyPem: string;
}

export interface CertificateAuthorityOptions {
  readonly store: KeyStore;
  readonly system: System;
  /** How long a client certificate lives. */
  readonly clientLifetime: Duration;
}

export class CertificateAuthority {
  readonly certificatePem: string;
  /** SHA-256, hex, of the certificate's DER: what a join token pins. */
  readonly fingerprint: string;
  readonly expiresAt: Instant;
  readonly #certificate: X509Certificate;
  readonly #key: webcrypto.CryptoKey;
  readonly #options: CertificateAuthorityOptions;

  private constructor(
    certificate: X509Certificate,
    key: webcrypto.CryptoKey,
    options: CertificateAuthorityOptions,
  ) {
    this.#certificate = certificate;
    this.#key = key;
    this.#options = options;
    this.certificatePem = pem(certificate);
    this.fingerprint = sha256Hex(new Uint8Array(certificate.rawData));
    this.expiresAt = certificate.notAfter.getTime();
  }

  /** The kept authority, or a new one at the first start. Throws FAILED_PRECONDITION when what is kept cannot be read. */
  static async open(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
    const { store, system } = options;
    const kept = await keptOrMade(store, "ca", () => makeAuthority(system));
    try {
      const certificate = new X509Certificate(block(kept, "CERTIFICATE"));
      const key = await importKey(block(kept, "PRIVATE KEY"));
      return new CertificateAuthority(certificate, key, options);
    } catch (error) {
      const message = `the certificate authority kept in ${store.place} cannot be read; restore it, or remove it and enroll every agent again`;
      throw new OpsError("FAILED_PRECONDITION", message, {}, { cause: error });
    }
  }

  /** Checks a certificate request; answers the hash that names its key. Throws INVALID_ARGUMENT. */
  async inspect(csr: Uint8Array): Promise<{ readonly keyHash: string }> {
    const { keyHash } = await checkRequest(csr);
    return { keyHash };
  }

  /**
   * A certificate for the key of `csr`: CN and URI name the node, and nothing is taken from the request but its key. With a
   * `name` it also counts for the agents of a database cluster, who call each other: as `NAME.node.mainstay` and no other.
   */
  async issueForNode(csr: Uint8Array, node: NodeId, name?: string): Promise<IssuedCertificate> {
    const { publicKey } = await checkRequest(csr);
    const uses = [ExtendedKeyUsage.clientAuth, ...(name === undefined ? [] : [ExtendedKeyUsage.serverAuth])];
    return this.#issue(publicKey, node, this.#options.clientLifetime, [
      new ExtendedKeyUsageExtension(uses),
      new SubjectAlternativeNameExtension([
        { type: "url", value: `mainstay://node/${node}` },
        ...(name === undefined ? [] : [{ type: "dns" as const, value: `${name}.${NODE_DOMAIN}` }]),
      ]),
    ]);
  }

  /** A new key and a server certificate for `names`: DNS names and IP addresses. */
  async issueForServer(names: readonly string[]): Promise<ServerCertificate> {
    const keys = await webcrypto.subtle.generateKey(P256, true, ["sign", "verify"]);
    const all = [...new Set([CONTROL_PLANE_NAME, "localhost", "127.0.0.1", "::1", ...names])];
    const issued = await this.#issue(keys.publicKey, CONTROL_PLANE_NAME, SERVER_LIFETIME, [
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        all.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
      ),
    ]);
    return { ...issued, keyPem: await exportKey(keys.privateKey) };
  }

  async #issue(
    publicKey: PublicKey | webcrypto.CryptoKey,
    commonName: string,
    lifetime: Duration,
    extensions: readonly Extension[],
  ): Promise<IssuedCertificate> {
    const { system } = this.#options;
    const issuedAt = system.clock.now();
    // X.509 times are whole seconds.
    const expiresAt = Math.floor(Math.min(issuedAt + lifetime, this.expiresAt) / SECOND) * SECOND;
    const serial = newSerial(system);
    const certificate = await X509CertificateGenerator.create({
      serialNumber: serial,
      subject: [{ CN: [commonName] }],
      issuer: this.#certificate.subject,
      notBefore: new Date(issuedAt - BACKDATED),
      notAfter: new Date(expiresAt),
      publicKey,
      signingKey: this.#key,
      signingAlgorithm: SIGNING,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        ...extensions,
        await SubjectKeyIdentifierExtension.create(publicKey),
        await AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
      ],
    });
    return { serial, chainPem: `${pem(certificate)}${this.certificatePem}`, issuedAt, expiresAt };
  }
}

async function makeAuthority(system: System): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const now = system.clock.now();
  const serial = newSerial(system);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    name: [{ CN: [`Mainstay house CA ${serial.slice(-8)}`] }],
    notBefore: new Date(now - BACKDATED),
    notAfter: new Date(now + CA_LIFETIME),
    keys,
    signingAlgorithm: SIGNING,
    extensions: [
      // It signs leaves only.
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return `${await exportKey(keys.privateKey)}${pem(certificate)}`;
}

/** 126 random bits behind a digit that keeps the number positive and without leading zeros. */
function newSerial(system: System): string {
  return `4${system.draws.hex(31)}`;
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem").trim()}\n`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})(?=.)/g, "$1\n")}\n-----END PRIVATE KEY-----\n`;
}

function importKey(text: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(text.replace(/-----[A-Z ]+-----/g, ""), "base64");
  return webcrypto.subtle.importKey("pkcs8", der, P256, false, ["sign"]);
}

/** The PEM block of that label. */
function block(text: string, label: string): string {
  const match = new RegExp(`-----BEGIN ${label}-----[\\s\\S]+?-----END ${label}-----`).exec(text);
  if (match === null) throw new OpsError("FAILED_PRECONDITION", `there is no PEM block "${label}"`);
  return match[0];
}
