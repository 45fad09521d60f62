/** A certificate request from a stranger, read and checked; nothing in it but the key is believed. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { Pkcs10CertificateRequest, type PublicKey } from "@peculiar/x509";
import { OpsError } from "../kernel/errors.js";

/** A request with an RSA-16384 key fits. */
const REQUEST_BYTES_MAX = 8 * 1_024;
const RSA_BITS_MIN = 2_048;
const RSA_BITS_MAX = 4_096;

export interface CheckedRequest {
  readonly publicKey: PublicKey;
  /** SHA-256, hex, of the public key (SPKI, DER): the key's name. */
  readonly keyHash: string;
}

/**
 * Reads a PKCS#10 request in DER and checks that its sender holds the key.
 * Throws INVALID_ARGUMENT: too long, not a request, a key other than P-256, RSA of 2,048 to 4,096 bits or Ed25519,
 * or a signature that does not fit.
 */
export async function checkRequest(der: Uint8Array): Promise<CheckedRequest> {
  if (der.length === 0 || der.length > REQUEST_BYTES_MAX) {
    throw refused(`csr is ${der.length} bytes, expected 1 to ${REQUEST_BYTES_MAX}`);
  }
  let request: Pkcs10CertificateRequest;
  let key: KeyObject;
  let spki: Uint8Array;
  try {
    request = new Pkcs10CertificateRequest(Buffer.from(der));
    spki = new Uint8Array(request.publicKey.rawData);
    key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch {
    throw refused("csr is not a PKCS#10 request in DER");
  }
  const fault = faultOf(key);
  if (fault !== undefined) throw refused(fault);
  const right = await request.verify().catch(() => false);
  if (!right) throw refused("the signature of csr does not fit its key");
  return { publicKey: request.publicKey, keyHash: createHash("sha256").update(spki).digest("hex") };
}

function faultOf(key: KeyObject): string | undefined {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return undefined;
    case "ec":
      return details.namedCurve === "prime256v1"
        ? undefined
        : `csr has an EC key on ${details.namedCurve ?? "an unnamed curve"}, expected P-256`;
    case "rsa": {
      const bits = details.modulusLength ?? 0;
      return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX
        ? undefined
        : `csr has an RSA key of ${bits} bits, expected ${RSA_BITS_MIN} to ${RSA_BITS_MAX}`;
    }
    default:
      return `csr has a key of type ${key.asymmetricKeyType ?? "unknown"}, expected P-256, RSA or Ed25519`;
  }
}

function refused(because: string): OpsError {
  return new OpsError("INVALID_ARGUMENT", `certificate request: ${because}`);
}
