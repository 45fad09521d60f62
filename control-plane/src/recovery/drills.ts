/** Drills as the components file defines them, beside the runs that are known. */
import type { Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { Component, Topology } from "../topology/domain/component.js";
import { strictest } from "../topology/domain/component.js";
import { accountDecision } from "./domain/account-decision.js";
import type { StoodDrill } from "./domain/choose-drill.js";
import {
  type DrillAims,
  type DrillDefinition,
  judgeDrill,
  type ScoredRun,
  scoreDrill,
  scoreRestore,
  standDrill,
} from "./domain/drill.js";
import type { DrillRun } from "./domain/drill-run.js";
import type { FailoverRequest } from "./domain/failover-request.js";
import { readRuns, seenSince } from "./drill-runs.store.js";
import { readRecords, readRegisteredAt } from "./recovery.store.js";
import { readDrillRequests } from "./requests.store.js";

/** Runs of one drill that are looked through for one that passed. */
const RUNS_JUDGED = 20;

/** A component has one drill of a kind, or several restores, each of its own repository. */
export const drillsOf = (topology: Topology): readonly DrillDefinition[] =>
  topology.flatMap(({ id, drills }) =>
    (drills ?? []).map((drill) => ({ ...drill, id: idOf(id, drill, drills ?? []), cluster: id })),
  );

function idOf(
  component: string,
  drill: NonNullable<Component["drills"]>[number],
  all: NonNullable<Component["drills"]>,
): string {
  const alike = all.filter(({ kind }) => kind === drill.kind);
  if (drill.restore === undefined || alike.length === 1) return `${component}-${drill.kind}`;
  const { node, repository, to } = drill.restore;
  return [component, drill.kind, repository, node, to === "any" ? "any-moment" : "newest"].join("-");
}

export const aimsOf = (topology: Topology, component: string): DrillAims => {
  const found = topology.find(({ id }) => id === component);
  return found === undefined ? { rto: undefined, rpo: undefined } : strictest(found);
};

/** How each drill stands; one that was never run is counted from when its cluster came under failover, or it was first seen. */
export async function standDrills(
  db: Queryable,
  topology: Topology,
  now: Instant,
): Promise<readonly StoodDrill[]> {
  const stood = [];
  for (const drill of drillsOf(topology)) {
    const aims = aimsOf(topology, drill.cluster);
    const standing =
      drill.kind === "restore"
        ? standDrill(drill, await readScored(db, drill, aims), await seenSince(db, drill.id, now), now)
        : judgeDrill(
            drill,
            await readSwitchovers(db, drill.id),
            aims,
            (await readRegisteredAt(db, drill.cluster)) ?? now,
            now,
          );
    stood.push({ drill, standing });
  }
  return stood;
}

async function readScored(
  db: Queryable,
  drill: DrillDefinition,
  aims: DrillAims,
): Promise<readonly ScoredRun[]> {
  const runs = await readRuns(db, { drill: drill.id, limit: RUNS_JUDGED });
  return runs.map((run) => ({
    at: run.begunAt,
    account: undefined,
    report: run.report,
    ...scoreOf(run, aims),
  }));
}

/** Judged by the objectives of now, which may be others than when it was run. */
function scoreOf(run: DrillRun, aims: DrillAims): Pick<ScoredRun, "last" | "score" | "because"> {
  if (run.state === "open") return { last: "running", score: 0, because: run.because || "under way" };
  if (run.state === "aborted") return { last: "aborted", score: 0, because: run.because };
  if (run.report === undefined) return { last: "failed", score: 0, because: run.because };
  return scoreRestore(run.report, aims);
}

async function readSwitchovers(db: Queryable, drill: string) {
  const requests = await readDrillRequests(db, drill, RUNS_JUDGED);
  return Promise.all(requests.map(async (request) => ({ request, account: await accountOf(db, request) })));
}

async function accountOf(
  db: Queryable,
  { cluster, epoch }: FailoverRequest,
): Promise<ReturnType<typeof accountDecision>> {
  return epoch === undefined ? undefined : accountDecision(await readRecords(db, cluster, epoch));
}

/** A switchover's request, scored as far as it went. */
export async function scoreRequest(
  db: Queryable,
  request: FailoverRequest,
  aims: DrillAims,
): Promise<ReturnType<typeof scoreDrill>> {
  return scoreDrill({ request, account: await accountOf(db, request) }, aims);
}
