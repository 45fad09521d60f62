/** The room, put together: the regions file, what drives it, and what people ask of it. */
import type { CommandDesk } from "../commands/commands.module.js";
import { findNode } from "../fleet/fleet.module.js";
import type { NodeId } from "../kernel/ids.js";
import type { HttpClient } from "../platform/http-client.js";
import type { Logger } from "../platform/logger.js";
import type { LoopStatus } from "../platform/loop.js";
import { PolicyFile } from "../platform/policy-file.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { FailoverDesk } from "../recovery/recovery.module.js";
import type { Topology } from "../topology/domain/component.js";
import { parseRegions } from "./domain/parse-regions.js";
import type { NodeAction, RegionPlan } from "./domain/region-plan.js";
import { openDrivers } from "./drivers/drivers.js";
import type { TrafficPort } from "./drivers/traffic.js";
import { regionApi } from "./region.api.js";
import { RegionLoop } from "./region.loop.js";
import { RegionDesk } from "./region-desk.js";

export interface RegionsPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  /** The regions file. */
  readonly path: string;
  readonly mayLead: () => boolean;
  /** Asked in the transaction that writes. */
  readonly stillLeads: (tx: Queryable) => Promise<boolean>;
  readonly topology: () => Topology;
  readonly commands: CommandDesk;
  readonly failover: FailoverDesk;
  readonly http: HttpClient;
  readonly traffic: TrafficPort;
  /** The agents that are connected here. */
  readonly sessions: { get(node: NodeId): unknown };
}

export interface Regions {
  readonly api: ReturnType<typeof regionApi>;
  /** Reads the file and begins to drive. */
  start(): Promise<void>;
  stop(): Promise<void>;
  loops(): readonly LoopStatus[];
}

export function createRegions(ports: RegionsPorts): Regions {
  const { database, system, logger, path, mayLead, stillLeads, topology } = ports;
  const file = new PolicyFile<readonly RegionPlan[]>({
    path,
    initial: [],
    parse: ({ value, lineOf }) => parseRegions(value, lineOf),
    clock: system.clock,
    logger,
  });
  const regions = (): readonly RegionPlan[] => file.current;
  const drivers = openDrivers({ ...ports, whyNot: (wanted) => whyNotOn(ports, wanted) });
  const driver = new RegionLoop({
    database,
    system,
    logger,
    mayLead,
    stillLeads,
    regions,
    topology,
    drivers,
  });
  const desk = new RegionDesk({ database, system, regions, topology, wake: () => driver.wake() });
  return {
    api: regionApi({ database, clock: system.clock, desk, regions, topology, faults: () => file.faults }),
    async start() {
      await file.load();
      file.loop.start();
      driver.loop.start();
    },
    async stop() {
      await driver.stop();
      await file.loop.stop();
    },
    loops: () => [file.loop.status, driver.loop.status],
  };
}

/** Why an action cannot be done on a node now; undefined when it can. */
async function whyNotOn(
  { database, sessions }: RegionsPorts,
  { node: name, action }: NodeAction,
): Promise<string | undefined> {
  const node = await findNode(database, name);
  if (node === undefined || node.revokedAt !== undefined) return `there is no node "${name}"`;
  if (sessions.get(node.nodeId) === undefined) return `the agent of ${name} is not connected`;
  return node.actions.includes(action) ? undefined : `${name} does not offer ${action}`;
}
