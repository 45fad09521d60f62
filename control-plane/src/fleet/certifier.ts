/** What the fleet needs of the house's authority; `access` has it, the assembly brings the two together. */
import type { NodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";

export interface NodeCertificateText {
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  /** The certificate and what it chains to, PEM. */
  readonly chainPem: string;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
}

export interface Certifier {
  /** The authority's own certificate. */
  readonly certificatePem: string;
  /** SHA-256, hex, of its DER. */
  readonly fingerprint: string;
  /** Checks a certificate request; the hash names its key. Throws INVALID_ARGUMENT. */
  inspect(csr: Uint8Array): Promise<{ readonly keyHash: string }>;
  /** A certificate for the request's key, by which other nodes know the node as `name`. Throws INVALID_ARGUMENT. */
  issueForNode(csr: Uint8Array, node: NodeId, name: string): Promise<NodeCertificateText>;
}
