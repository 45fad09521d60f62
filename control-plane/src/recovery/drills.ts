/** Drills as the components file defines them, beside the runs that the log knows. */
import type { Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { Topology } from "../topology/domain/component.js";
import { strictest } from "../topology/domain/component.js";
import { accountDecision } from "./domain/account-decision.js";
import { type DrillDefinition, type DrillStanding, judgeDrill } from "./domain/drill.js";
import type { FailoverRequest } from "./domain/failover-request.js";
import { readRecords, readRegisteredAt } from "./recovery.store.js";
import { readDrillRequests } from "./requests.store.js";

/** Runs of one drill that are looked through for one that passed. */
const RUNS_JUDGED = 20;

export const drillsOf = (topology: Topology): readonly DrillDefinition[] =>
  topology.flatMap(({ id, drills }) =>
    (drills ?? []).map(({ kind, every }) => ({ id: `${id}-${kind}`, cluster: id, kind, every })),
  );

/** How each drill stands; one that was never run is counted from when its cluster came under failover. */
export async function standDrills(
  db: Queryable,
  topology: Topology,
  now: Instant,
): Promise<readonly { readonly drill: DrillDefinition; readonly standing: DrillStanding }[]> {
  const stood = [];
  for (const drill of drillsOf(topology)) {
    const requests = await readDrillRequests(db, drill.id, RUNS_JUDGED);
    const runs = await Promise.all(
      requests.map(async (request) => ({ request, account: await accountOf(db, request) })),
    );
    const component = topology.find(({ id }) => id === drill.cluster);
    const aims = component === undefined ? { rto: undefined, rpo: undefined } : strictest(component);
    const since = (await readRegisteredAt(db, drill.cluster)) ?? now;
    stood.push({ drill, standing: judgeDrill(drill, runs, aims, since, now) });
  }
  return stood;
}

async function accountOf(
  db: Queryable,
  { cluster, epoch }: FailoverRequest,
): Promise<ReturnType<typeof accountDecision>> {
  return epoch === undefined ? undefined : accountDecision(await readRecords(db, cluster, epoch));
}
