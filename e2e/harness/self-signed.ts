/** A certificate that signs itself, as a file for an agent to find. */
import { webcrypto } from "node:crypto";
import { writeFileSync } from "node:fs";
import "reflect-metadata";
import { X509CertificateGenerator } from "@peculiar/x509";

const DAY_MS = 86_400_000;

/** Writes `CN=<name>` that ends `days` from now; answers its end. */
export async function writeSelfSigned(file: string, name: string, days: number): Promise<Date> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: "01",
      name: `CN=${name}`,
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + days * DAY_MS),
      signingAlgorithm: algorithm,
      keys,
    },
    webcrypto,
  );
  writeFileSync(file, certificate.toString("pem"));
  return certificate.notAfter;
}
