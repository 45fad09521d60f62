import { readDer } from "./der.js";
import { looksLikePkcs12, openPkcs12 } from "./pkcs12.js";

/** The certificates of a file as DER, in the file's order; or that it holds other things; or why it cannot be read. */
export type SplitFile =
  | { readonly kind: "certificates"; readonly der: readonly Buffer[] }
  | { readonly kind: "none"; readonly because: string }
  | { readonly kind: "failed"; readonly because: string };

/** Beyond this it is a bundle of authorities and not a server's chain. */
export const CERTIFICATES_MAX = 50;

const BEGIN = "-----BEGIN ";
const PEM_LABELS = ["CERTIFICATE-----", "X509 CERTIFICATE-----", "TRUSTED CERTIFICATE-----"];
const SEQUENCE_TAG = 0x30;

/** Finds the certificates in the bytes of a file: PEM, DER or PKCS#12, told apart by what stands there, not by the name. */
export async function splitCertificates(bytes: Buffer, password: string): Promise<SplitFile> {
  if (bytes.length === 0) return { kind: "failed", because: "the file is empty" };
  if (bytes[0] === SEQUENCE_TAG) return splitBinary(bytes, password);
  const text = bytes.toString("latin1");
  if (!text.includes(BEGIN)) return { kind: "failed", because: "neither PEM nor DER nor PKCS#12" };
  const der = splitPem(text);
  if (der.length === 0) return { kind: "none", because: "PEM without a certificate" };
  return bounded(der);
}

async function splitBinary(bytes: Buffer, password: string): Promise<SplitFile> {
  if (!looksLikePkcs12(bytes)) return { kind: "certificates", der: [bytes] };
  const opened = await openPkcs12(bytes, password);
  if (opened.kind === "failed") return opened;
  if (opened.certificates.length === 0) return { kind: "none", because: "PKCS#12 without a certificate" };
  return bounded(opened.certificates);
}

function bounded(der: readonly Buffer[]): SplitFile {
  if (der.length <= CERTIFICATES_MAX) return { kind: "certificates", der };
  const because = `${der.length} certificates, expected at most ${CERTIFICATES_MAX}: a bundle of authorities is not watched`;
  return { kind: "failed", because };
}

/** The DER of each certificate block. By index and not by expression: a file may be hostile, and this is one pass. */
export function splitPem(text: string): Buffer[] {
  const der: Buffer[] = [];
  for (let at = text.indexOf(BEGIN); at >= 0; at = text.indexOf(BEGIN, at + BEGIN.length)) {
    const label = PEM_LABELS.find((candidate) => text.startsWith(candidate, at + BEGIN.length));
    if (label === undefined) continue;
    const from = at + BEGIN.length + label.length;
    const end = text.indexOf("-----END ", from);
    if (end < 0) break;
    const bytes = Buffer.from(text.slice(from, end), "base64");
    der.push(firstElement(bytes));
  }
  return der;
}

/** OpenSSL writes trust settings behind the certificate in a TRUSTED CERTIFICATE block; they are cut off. */
function firstElement(bytes: Buffer): Buffer {
  try {
    return readDer(bytes).whole;
  } catch {
    // Not DER: left as it is, so that the one who parses it says so.
    return bytes;
  }
}
