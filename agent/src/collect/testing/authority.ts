import { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  type Extension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

/** A certificate and its key, as PEM and DER. */
export interface Issued {
  readonly certificate: X509Certificate;
  readonly keys: CryptoKeyPair;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly der: Buffer;
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

/** What a test wishes of a certificate; days are counted from `now`. */
export interface Wish {
  readonly subject: string;
  readonly now: number;
  readonly fromDays?: number;
  readonly untilDays?: number;
  readonly names?: readonly { readonly type: "dns" | "ip"; readonly value: string }[];
  readonly authority?: boolean;
}

let serial = 1;

/** Makes a certificate signed by `issuer`, or by itself when there is none. */
export async function issue(wish: Wish, issuer?: Issued): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const extensions: Extension[] = [new BasicConstraintsExtension(wish.authority ?? false, undefined, true)];
  if (wish.names !== undefined) extensions.push(new SubjectAlternativeNameExtension([...wish.names]));
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: (serial++).toString(16).padStart(16, "10"),
      subject: wish.subject,
      issuer: issuer?.certificate.subject ?? wish.subject,
      notBefore: new Date(wish.now + (wish.fromDays ?? -1) * DAY_MS),
      notAfter: new Date(wish.now + (wish.untilDays ?? 30) * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: issuer?.keys.privateKey ?? keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    },
    webcrypto,
  );
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate,
    keys,
    certificatePem: `${certificate.toString("pem")}\n`,
    keyPem: PemConverter.encode(pkcs8, "PRIVATE KEY"),
    der: Buffer.from(certificate.rawData),
  };
}
