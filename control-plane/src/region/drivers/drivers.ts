/** All drivers, each with what it reaches its part through. */
import type { CommandDesk } from "../../commands/commands.module.js";
import type { HttpClient } from "../../platform/http-client.js";
import type { Database } from "../../platform/postgres/database.js";
import { withRedisAdmin } from "../../platform/redis/admin.js";
import type { System } from "../../platform/system.js";
import { vaultOperations } from "../../platform/vault/operations.js";
import type { FailoverDesk } from "../../recovery/recovery.module.js";
import type { Drivers } from "../driver.js";
import { clusterPort, commandsHand } from "./clusters.js";
import { httpDriver } from "./http.js";
import { postgresDriver } from "./postgres.js";
import { redisDriver } from "./redis.js";
import { type ScalePorts, scaleDriver } from "./scale.js";
import { statusDriver } from "./status.js";
import { type TrafficPort, trafficDriver } from "./traffic.js";
import { vaultDriver } from "./vault.js";

export interface DriversPorts {
  readonly database: Database;
  readonly system: System;
  readonly commands: CommandDesk;
  readonly failover: FailoverDesk;
  readonly http: HttpClient;
  readonly traffic: TrafficPort;
  readonly whyNot: ScalePorts["whyNot"];
}

export function openDrivers(ports: DriversPorts): Drivers {
  const { database, system, commands, failover, http, traffic, whyNot } = ports;
  const { clock, draws } = system;
  const clusters = clusterPort(database, system, failover);
  const runOnNode = commandsHand(database, system, commands);
  return {
    fence: postgresDriver(clusters, clock, "fence"),
    promote: postgresDriver(clusters, clock, "promote"),
    redis: redisDriver({ clock, connect: withRedisAdmin, runOnNode }),
    vault: vaultDriver({ clock, vault: vaultOperations(http) }),
    scale: scaleDriver({ runOnNode, whyNot }),
    verify: httpDriver({ http, clock, draws }),
    traffic: trafficDriver(traffic),
    status: statusDriver,
  };
}
