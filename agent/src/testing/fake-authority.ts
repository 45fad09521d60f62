/** A certificate authority for tests, made anew each time: certificates, join tokens, signed orders. */
import { createHash, generateKeyPairSync, type KeyObject, sign, webcrypto } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  OrderMode,
  OrderSchema,
  type SignedOrder,
  SignedOrderSchema,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

const ec = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** What an order of a test says; the rest has defaults that make it acceptable. */
export interface TestOrder {
  readonly commandId: string;
  readonly nodeId: string;
  readonly action: string;
  readonly arguments?: unknown;
  readonly mode: "preview" | "run";
  readonly planHash?: string;
  readonly generation?: bigint;
  readonly expiresAt?: number;
  readonly timeoutMs?: number;
  readonly outputBytesMax?: number;
}

export class FakeAuthority {
  readonly #key: webcrypto.CryptoKeyPair;
  readonly #orderKeys = generateKeyPairSync("ed25519");
  readonly #certificate: x509.X509Certificate;
  #serial = 100;

  private constructor(key: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate) {
    this.#key = key;
    this.#certificate = certificate;
  }

  static async make(): Promise<FakeAuthority> {
    const keys = await webcrypto.subtle.generateKey(ec, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: "01",
      name: "CN=Test authority",
      keys,
      signingAlgorithm: ec,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
    });
    return new FakeAuthority(keys, certificate);
  }

  get pem(): string {
    return `${this.#certificate.toString("pem")}\n`;
  }

  get hash(): string {
    return createHash("sha256").update(Buffer.from(this.#certificate.rawData)).digest("hex");
  }

  /** A join token that names this authority. */
  joinToken(id = "t1"): string {
    return `mjt_${id}_${"s".repeat(32)}_${this.hash}`;
  }

  get orderKey(): { readonly keyId: string; readonly publicKey: Buffer } {
    return { keyId: "order-1", publicKey: this.#orderKeys.publicKey.export({ type: "spki", format: "der" }) };
  }

  /** A key and chain (with the authority in it) for a DNS name: the control plane's, or a node's. */
  async serverPair(
    name = "control-plane.mainstay",
  ): Promise<{ readonly keyPem: string; readonly chainPem: string }> {
    const keys = await webcrypto.subtle.generateKey(ec, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: this.#nextSerial(),
      subject: "CN=control-plane.mainstay",
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#key.privateKey,
      signingAlgorithm: ec,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }])],
    });
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
    return {
      keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
      chainPem: `${certificate.toString("pem")}\n${this.pem}`,
    };
  }

  /** A client certificate for a request, after checking the request's own signature. */
  async issue(
    csr: Uint8Array,
    nodeId: string,
    life: { readonly fromMs: number; readonly toMs: number },
  ): Promise<string> {
    const request = new x509.Pkcs10CertificateRequest(Buffer.from(csr));
    if (!(await request.verify())) throw new Error("the request is not signed by its own key");
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: this.#nextSerial(),
      subject: `CN=${nodeId}`,
      issuer: this.#certificate.subject,
      publicKey: request.publicKey,
      signingKey: this.#key.privateKey,
      signingAlgorithm: ec,
      notBefore: new Date(life.fromMs),
      notAfter: new Date(life.toMs),
    });
    return `${certificate.toString("pem")}\n`;
  }

  /** An order, signed; `by` signs it with another key. */
  signedOrder(order: TestOrder, by?: KeyObject): SignedOrder {
    const bytes = toBinary(
      OrderSchema,
      create(OrderSchema, {
        commandId: order.commandId,
        nodeId: order.nodeId,
        action: order.action,
        argumentsJson: JSON.stringify(order.arguments ?? {}),
        mode: order.mode === "run" ? OrderMode.RUN : OrderMode.PREVIEW,
        generation: order.generation ?? 1n,
        planHash: order.planHash ?? "",
        issuedAt: timestampFromMs(Date.now()),
        expiresAt: timestampFromMs(order.expiresAt ?? Date.now() + 60_000),
        timeoutMs: order.timeoutMs ?? 30_000,
        outputBytesMax: BigInt(order.outputBytesMax ?? 0),
      }),
    );
    return create(SignedOrderSchema, {
      order: bytes,
      keyId: this.orderKey.keyId,
      signature: sign(null, bytes, by ?? this.#orderKeys.privateKey),
    });
  }

  #nextSerial(): string {
    return (++this.#serial).toString(16).padStart(4, "0");
  }
}
