/** Who is at the other end, by the client certificate that the connection was made with. */
import { OpsError } from "../../kernel/errors.js";
import { type NodeId, nodeId } from "../../kernel/ids.js";
import type { AgentCall } from "./end-call.js";

export interface Peer {
  /** As the certificate claims it; the certificate itself was verified by TLS. */
  readonly nodeId: NodeId;
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
}

/** Throws UNAUTHENTICATED when the connection has no client certificate of this house. */
export function peerOf(call: AgentCall): Peer {
  const certificate = call.getAuthContext().sslPeerCertificate;
  const name: unknown = certificate?.subject?.CN;
  if (certificate === undefined || typeof name !== "string" || name === "") {
    throw new OpsError("UNAUTHENTICATED", "connect: a client certificate is needed; enroll first");
  }
  return { nodeId: nodeId(name), serial: certificate.serialNumber.toLowerCase().replace(/^0+/, "") };
}
