/** Whether the bearer of a client certificate may open a stream. */
import type { Instant } from "../../kernel/time.js";

export interface AdmissionFacts {
  /** The node id in the certificate's subject. */
  readonly claimed: string;
  /** The node and the certificate by its serial; undefined when it is not one that we gave out. */
  readonly known:
    | {
        readonly nodeId: string;
        readonly name: string;
        readonly revokedAt: Instant | undefined;
        readonly revokedBecause: string;
        readonly certificateRevokedAt: Instant | undefined;
        readonly certificateExpiresAt: Instant;
      }
    | undefined;
}

export type AdmissionVerdict =
  | { readonly kind: "admitted" }
  | {
      readonly kind: "refused";
      readonly code: "PERMISSION_DENIED" | "UNAUTHENTICATED";
      readonly because: string;
    };

/** `day` writes an instant for people. */
export function admitAgent(
  { claimed, known }: AdmissionFacts,
  now: Instant,
  day: (at: Instant) => string,
): AdmissionVerdict {
  if (known === undefined || known.nodeId !== claimed) {
    return {
      kind: "refused",
      code: "PERMISSION_DENIED",
      because: "the client certificate is not one that this control plane gave out; enroll again",
    };
  }
  const { name } = known;
  if (known.revokedAt !== undefined) {
    const why = known.revokedBecause === "" ? "" : `: ${known.revokedBecause}`;
    return {
      kind: "refused",
      code: "PERMISSION_DENIED",
      because: `certificate of node "${name}" was revoked at ${day(known.revokedAt)}${why}`,
    };
  }
  if (known.certificateRevokedAt !== undefined) {
    return {
      kind: "refused",
      code: "PERMISSION_DENIED",
      because: `certificate of node "${name}" was revoked at ${day(known.certificateRevokedAt)}: the node enrolled again with another key`,
    };
  }
  if (known.certificateExpiresAt <= now) {
    return {
      kind: "refused",
      code: "UNAUTHENTICATED",
      because: `certificate of node "${name}" expired at ${day(known.certificateExpiresAt)}; enroll again`,
    };
  }
  return { kind: "admitted" };
}
