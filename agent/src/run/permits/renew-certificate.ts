/** Whether this host lets certificates be renewed, and which. Pure. */
import type { Fields } from "../../fields.js";
import {
  absolutePath,
  declared,
  declaredName,
  deny,
  required,
  requiredName,
  type Verdict,
} from "../verdict.js";
import { readOptionalProgram, readProgram } from "./processes.js";

/** Certificates that may be renewed. */
export interface RenewCertificatePolicy {
  readonly certificates: readonly DeclaredCertificate[];
}

/** A certificate with its key, the program that renews them, and who serves them. */
export interface DeclaredCertificate {
  readonly name: string;
  /** PEM; the leaf comes first. */
  readonly certFile: string;
  readonly keyFile: string;
  /** The program that puts a new certificate, and a new key if it likes, into these files. */
  readonly renew: readonly string[];
  /** The program that makes the server take it up; none is run when undefined. */
  readonly reload: readonly string[] | undefined;
  /** Where it is served: the new one must be seen there. Not looked at when undefined. */
  readonly served: { readonly host: string; readonly port: number; readonly serverName: string } | undefined;
  /** Where replaced certificates and keys are kept, for this user only. */
  readonly keepIn: string;
}

export function readRenewCertificate(fields: Fields): RenewCertificatePolicy {
  const certificates = fields.each("certificates").map((certificate): DeclaredCertificate => {
    const read = {
      name: required(certificate, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      certFile: required(certificate, "certFile", "an absolute path", absolutePath),
      keyFile: required(certificate, "keyFile", "an absolute path", absolutePath),
      renew: readProgram(certificate, "renew"),
      reload: readOptionalProgram(certificate, "reload"),
      served: certificate.has("served") ? readServed(certificate.within("served")) : undefined,
      keepIn: required(certificate, "keepIn", "an absolute path", absolutePath),
    };
    certificate.done();
    return read;
  });
  fields.done();
  return { certificates };
}

function readServed(fields: Fields): DeclaredCertificate["served"] {
  const host = fields.text("host", "127.0.0.1", "a host", /^[A-Za-z0-9._:-]{1,253}$/) ?? "";
  const port = fields.integer("port", 443, 1, 65_535);
  const serverName = fields.text("serverName", host, "a name", /^[A-Za-z0-9._:-]{1,253}$/) ?? host;
  fields.done();
  return { host, port, serverName };
}

export function allowRenewCertificate(own: RenewCertificatePolicy | undefined, fields: Fields): Verdict {
  const certificate = requiredName(fields, "certificate", "certificate");
  const restore = fields.text("restore", undefined, "a SHA-256 in hex", /^[0-9a-f]{64}$/);
  if (own === undefined) return deny("actions.renewCertificate is not set on this host");
  if (declared(own.certificates, certificate) === undefined)
    return deny(`${certificate} is not in actions.renewCertificate.certificates`);
  return { kind: "allow", arguments: { action: "renew-certificate", certificate, restore } };
}
