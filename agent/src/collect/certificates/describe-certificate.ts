import { X509Certificate } from "node:crypto";
import { cleanText } from "../clean-text.js";
import type { FoundCertificate } from "../reading.js";

const NAME_MAX = 512;
const NAMES_MAX = 100;
const SERIAL_MAX = 64;
const ERROR_MAX = 300;

/** What an inventory says of a certificate: texts are cleaned and bounded, whoever made it. */
export function describeCertificate(
  certificate: X509Certificate,
  source: string,
  chainIndex: number,
  verificationError = "",
): FoundCertificate {
  return {
    source,
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    names: alternativeNames(certificate.subjectAltName),
    serial: cleanText(certificate.serialNumber.toLowerCase(), SERIAL_MAX),
    fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    notBeforeMs: timeOf(certificate.validFrom),
    notAfterMs: timeOf(certificate.validTo),
    chainIndex,
    verificationError: cleanText(verificationError, ERROR_MAX),
    readError: "",
  };
}

/** What an inventory says of a source that could not be read. */
export function unreadable(source: string, because: string): FoundCertificate {
  return {
    source,
    subject: "",
    issuer: "",
    names: [],
    serial: "",
    fingerprint: "",
    notBeforeMs: undefined,
    notAfterMs: undefined,
    chainIndex: 0,
    verificationError: "",
    readError: cleanText(because, ERROR_MAX),
  };
}

/** A certificate issued by itself: a root, when it is not the leaf. */
export function isSelfIssued(certificate: FoundCertificate): boolean {
  return certificate.subject === certificate.issuer;
}

/**
 * When the first of a chain ends, in ms. A root behind the leaf does not count: who trusts it has it, and what is sent
 * along changes nothing. Undefined when no certificate says when it ends.
 */
export function earliestExpiryMs(chain: readonly FoundCertificate[]): number | undefined {
  return earliest(chain.filter((certificate) => certificate.chainIndex === 0 || !isSelfIssued(certificate)));
}

/** When the chain as a whole ends, root included. */
export function chainExpiryMs(chain: readonly FoundCertificate[]): number | undefined {
  return earliest(chain);
}

function earliest(chain: readonly FoundCertificate[]): number | undefined {
  const ends = chain.flatMap(({ notAfterMs }) => (notAfterMs === undefined ? [] : [notAfterMs]));
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** `CN=a, O=b` of Node's line for each part. */
function distinguishedName(lines: string | undefined): string {
  return cleanText((lines ?? "").split("\n").join(", "), NAME_MAX);
}

/** The names of `DNS:a.example, IP Address:10.0.0.1`; Node quotes those that could be mistaken. */
export function alternativeNames(text: string | undefined): string[] {
  const names: string[] = [];
  const pattern = /(?:DNS|IP Address|URI|email):("(?:[^"\\]|\\.)*"|[^,]*)/gy;
  for (let rest = text ?? ""; names.length < NAMES_MAX; ) {
    pattern.lastIndex = 0;
    const match = pattern.exec(rest);
    const separator = match === null ? rest.indexOf(", ") : match[0].length;
    if (match?.[1] !== undefined && match[1] !== "") names.push(cleanText(unquoted(match[1]), 253));
    if (separator < 0 || separator >= rest.length) break;
    rest = rest.slice(separator).replace(/^, /u, "");
  }
  return names;
}

function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  try {
    return String(JSON.parse(name));
  } catch {
    return name;
  }
}

/** Node gives the time as OpenSSL prints it: `Nov 22 12:00:00 2026 GMT`. */
function timeOf(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
