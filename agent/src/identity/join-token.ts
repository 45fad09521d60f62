/** A join token: `mjt_<id>_<secret>_<sha256 of the authority's certificate>`. It names whom to trust before anything is sent. */

/** A token, taken apart. `text` is the secret as a whole and goes to the control plane only. */
export interface JoinToken {
  readonly text: string;
  readonly id: string;
  /** SHA-256 over the DER of the certificate authority, lower-case hex. */
  readonly authorityHash: string;
}

/** Reads a token's text; undefined when it does not have the shape. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const match = /^mjt_([A-Za-z0-9-]{1,64})_([A-Za-z0-9_-]{16,256})_([0-9a-f]{64})$/.exec(text.trim());
  const [whole, id, , authorityHash] = match ?? [];
  if (whole === undefined || id === undefined || authorityHash === undefined) return undefined;
  return { text: whole, id, authorityHash };
}
