/** When a certificate is to be renewed, and what to do about one that has run out. Pure. */
import type { Lifetime } from "./identity.js";

/** What the certificate's age asks for. */
export type CertificateState =
  | { readonly kind: "fresh"; readonly renewInMs: number }
  | { readonly kind: "renew"; readonly because: string }
  | { readonly kind: "expired"; readonly because: string };

/** Renewal is due after two thirds of the lifetime; then there is a third left to retry in. */
export function judgeCertificate(life: Lifetime, now: number): CertificateState {
  if (now >= life.notAfter) {
    return {
      kind: "expired",
      because: `the certificate ran out at ${new Date(life.notAfter).toISOString()}`,
    };
  }
  const due = life.notBefore + ((life.notAfter - life.notBefore) * 2) / 3;
  return now >= due
    ? {
        kind: "renew",
        because: `two thirds of its lifetime are over, it ends at ${new Date(life.notAfter).toISOString()}`,
      }
    : { kind: "fresh", renewInMs: due - now };
}
