/** The words of the fleet: nodes, their agents, and what they are told apart by. */
import type { NodeId } from "../../kernel/ids.js";
import type { Labels } from "../../kernel/labels.js";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";

/** Agents say that they live this often when they have nothing else to say. */
export const HEARTBEAT: Duration = 5 * SECOND;

/**
 * Whether a node is heard.
 *
 * - `never-seen`: enrolled, never yet connected.
 * - `live`: heard within two heartbeats.
 * - `late`: two heartbeats were missed; it may still come.
 * - `lost`: not heard for so long that it counts as gone. It becomes live again when it is heard.
 * - `revoked`: its identity was taken away; the end.
 */
export type Liveness = "live" | "late" | "lost" | "revoked" | "never-seen";

/** What an agent says of itself when it connects; cleaned and bounded. */
export interface AgentDescription {
  readonly agentVersion: string;
  readonly hostname: string;
  readonly os: string;
  readonly machineId: string;
  readonly bootId: string;
  readonly labels: Labels;
  readonly actions: readonly string[];
  readonly policyHash: string;
}

/** A node, as the control plane knows it. */
export interface Node extends AgentDescription {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly enrolledAt: Instant;
  readonly revokedAt: Instant | undefined;
  readonly revokedBecause: string;
  readonly sessionGeneration: number;
  /** The replica that holds, or last held, its stream. */
  readonly replicaId: string | undefined;
  readonly connectedAt: Instant | undefined;
  /** As last stored; the replica that holds the stream may know a later one. */
  readonly heardAt: Instant | undefined;
  readonly liveness: Liveness;
  readonly livenessBecause: string;
  readonly livenessSince: Instant;
  /** When the last of its certificates expires; undefined when it has none. */
  readonly certificateExpiresAt: Instant | undefined;
}

/** A client certificate that was given to a node. */
export interface NodeCertificate {
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  readonly nodeId: NodeId;
  readonly expiresAt: Instant;
  readonly revokedAt: Instant | undefined;
}

const NODE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether `name` may name a node: 1 to 63 of a-z, 0-9 and '-', with no '-' at either end. */
export function isNodeName(name: string): boolean {
  return NODE_NAME.test(name);
}

/** A node name made of a host's: lower case, its first label, other characters as '-'; `node` when nothing is left. */
export function nodeNameOf(hostname: string): string {
  const first = hostname.split(".", 1)[0] ?? "";
  const name = first
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 50)
    .replace(/^-+|-+$/g, "");
  return name === "" ? "node" : name;
}
