/** Drills put together: what they may do, what holds them, and what backups offer them. */

import { readNodesFiring } from "./alerting/alerting.module.js";
import { Repositories } from "./backups/backups.module.js";
import { momentBetween } from "./backups/domain/repository-standing.js";
import type { CommandDesk } from "./commands/commands.module.js";
import type { Policy } from "./commands/domain/policy.js";
import { freezeOver } from "./drills/domain/freeze-over.js";
import { DrillDesk, DrillLoop, restoreHand, switchoverHand } from "./drills/drills.module.js";
import { findNode, readPlacedNodes } from "./fleet/fleet.module.js";
import type { Ground } from "./ground.js";
import type { Instant } from "./kernel/time.js";
import type { Value } from "./promql/value.js";
import type { DrillDefinition } from "./recovery/domain/drill.js";
import { aimsOf, drillsOf, type FailoverDesk, readRestores } from "./recovery/recovery.module.js";
import type { Safety } from "./safety/safety.module.js";
import { runsOn, type Topology } from "./topology/domain/component.js";

/** Runs of a component that are looked through for one of a repository. */
const RUNS_LOOKED_AT = 50;

export interface DrillsGiven {
  readonly ground: Ground;
  readonly topology: () => Topology;
  readonly policy: () => Policy;
  readonly safety: Safety;
  readonly commands: CommandDesk;
  readonly failover: FailoverDesk;
  readonly mayLead: () => boolean;
  readonly query: (expr: string, at: Instant) => Promise<Value>;
  readonly append: ConstructorParameters<typeof DrillLoop>[0]["append"];
}

export interface Drills {
  readonly desk: DrillDesk;
  readonly driver: DrillLoop;
  readonly repositories: Repositories;
}

export function openDrills(given: DrillsGiven): Drills {
  const { ground, topology, policy, safety, commands, failover, query } = given;
  const { database, system, logger, lifecycle } = ground;
  const { clock } = system;
  const aims = (component: string) => aimsOf(topology(), component);
  const hands = {
    restore: restoreHand({
      database,
      commands,
      aimsOf: aims,
      offeredBy: async (name) => {
        const node = await findNode(database, name);
        return node?.liveness === "live" && node.revokedAt === undefined ? node.actions : undefined;
      },
    }),
    switchover: switchoverHand({ database, clock, desk: failover, aimsOf: aims }),
  };
  const drills = (): readonly DrillDefinition[] => drillsOf(topology());
  const repositories = new Repositories(query);
  const frozen = (component: string): string | undefined => {
    const selector = topology().find(({ id }) => id === component)?.selector;
    return freezeOver(policy(), { id: component, selector }, clock.now());
  };
  const desk: DrillDesk = new DrillDesk({
    database,
    system,
    drills,
    hands,
    frozen,
    anyMoment: async ({ restore, cluster }) => {
      const now = clock.now();
      const stood = (await repositories.read(now)).find(
        ({ node, repository, component }) =>
          node === restore?.node && repository === restore.repository && component === cluster,
      );
      const runs = await readRestores(database, cluster, RUNS_LOOKED_AT);
      const moment = momentBetween(stood, runs, system.draws.fraction());
      return moment === undefined ? undefined : new Date(moment).toISOString();
    },
    wake: () => driver.loop.wake(),
  });
  const driver: DrillLoop = new DrillLoop({
    database,
    system,
    logger,
    mayLead: given.mayLead,
    topology,
    drills,
    desk,
    hands,
    frozen,
    // The brake holds all that is automatic; storms are looked at for the node when the command is judged.
    held: async (now) => {
      const world = await safety.judgeWorld(database, { id: "", labels: {} }, now);
      return world.kind === "hold" ? world.because : undefined;
    },
    trouble: async () => {
      const firing = new Set(await readNodesFiring(database, "critical"));
      if (firing.size === 0) return new Map();
      const nodes = (await readPlacedNodes(database)).filter(({ name }) => firing.has(name));
      const troubles = new Map<string, string>();
      for (const component of topology()) {
        const used = new Set((component.drills ?? []).map(({ restore }) => restore?.node));
        const node = nodes.find(({ name, labels }) => runsOn(component, labels) || used.has(name));
        if (node !== undefined) troubles.set(component.id, `a critical alert is firing on ${node.name}`);
      }
      return troubles;
    },
    append: given.append,
  });
  lifecycle.startLoop(driver.loop);
  return { desk, driver, repositories };
}
