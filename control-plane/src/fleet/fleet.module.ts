/** The door of the fleet: which nodes there are, whether they live, and the one way to send to them. */
import type { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import type { CallContext } from "../platform/call.js";
import type { Logger } from "../platform/logger.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { Certifier } from "./certifier.js";
import { fleetApi } from "./fleet.api.js";
import { type LivenessDeps, LivenessLoop } from "./liveness.loop.js";
import { Sessions } from "./sessions.js";

export {
  countByLiveness,
  countNodes,
  findNamedNodes,
  findNode,
  findNodes,
  listNodes,
  type PlacedNode,
  readAdmission,
  readHealthByLabel,
  readNodeNames,
  readPlacedNodes,
} from "./agents.store.js";
export type { Certifier, NodeCertificateText } from "./certifier.js";
export {
  type Enrolled,
  type EnrolmentDeps,
  enrollAgent,
  makeJoinToken,
  renewCertificate,
} from "./enroll-agent.js";
export { certificateFigures, saveInventory } from "./inventory.store.js";
export type { LivenessLoop } from "./liveness.loop.js";
export { StreamOpenings } from "./open-stream.js";
export { Leadership, type LeadershipState } from "./replicas.loop.js";
export { type Outlet, Session } from "./session.js";
export { type SendOutcome, type SessionFigures, Sessions } from "./sessions.js";
export type { UpSample } from "./up-series.js";

export interface FleetDeps {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly certifier: Certifier;
  /** Takes the `up{job="mainstay-agent"}` samples. */
  readonly append: LivenessDeps["append"];
  /** Names this process to the others. @default a new name */
  readonly replicaId?: string;
  /** Whether this replica leads. @default it does */
  readonly mayLead?: () => boolean;
}

export interface Fleet {
  /** Names this process to the others; another one for each start. */
  readonly replicaId: string;
  readonly sessions: Sessions;
  /** Start it before the agents' door opens; stop it after the streams are drained. */
  readonly liveness: LivenessLoop;
  readonly api: ServiceImplementation<typeof FleetService, CallContext>;
}

export function createFleet(deps: FleetDeps): Fleet {
  const { system } = deps;
  const replicaId = deps.replicaId ?? system.draws.id(system.clock.now());
  const sessions = new Sessions(system.clock);
  const liveness = new LivenessLoop({ ...deps, sessions, replicaId });
  return { replicaId, sessions, liveness, api: fleetApi({ ...deps, sessions }) };
}
