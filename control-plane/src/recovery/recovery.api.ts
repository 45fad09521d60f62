/** RecoveryService: proto message ↔ objectives, decisions, clusters, what people ask of them, drills. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { checkTrace } from "@mainstay/proto/failover/check-trace";
import { localPolicy } from "@mainstay/proto/failover/policy";
import { RecoveryService } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import type { Topology } from "../topology/domain/component.js";
import { accountDecision, type DecisionAccount } from "./domain/account-decision.js";
import { estimateCluster, judgeObjective } from "./domain/judge-objective.js";
import { judgeRestores, type NewestRestorable, withRestores } from "./domain/judge-restores.js";
import { checkLog } from "./domain/patroni/patroni-cluster.js";
import { estimatePatroni } from "./domain/patroni/patroni-series.js";
import { readOpenRun, readRestores } from "./drill-runs.store.js";
import { drillsOf, standDrills } from "./drills.js";
import type { FailoverDesk } from "./failover-desk.js";
import type { Adoption } from "./patroni/adoption.js";
import { isKeptByPatroni, readAdopted, readPatroniLog } from "./patroni/patroni.store.js";
import { adoptedToWire } from "./patroni/patroni-wire.api.js";
import { readClusters, readDecisions, readRecords } from "./recovery.store.js";
import {
  clusterToWire,
  decisionToWire,
  drillToWire,
  objectiveToWire,
  requestToWire,
} from "./recovery-wire.api.js";
import { readRequests } from "./requests.store.js";

/** So many decisions of a component are looked through for one that measured something. */
const DECISIONS_JUDGED = 50;
const RESTORES_JUDGED = 20;
const LIST = { default: 50, max: 500 } as const;
/** The components' own form of an id, which a cluster has. */
const CLUSTER = /^[a-z0-9][a-z0-9-]{0,62}$/;
const MEMBERS_MAX = 15;
const LEASE_DEFAULT: Duration = 3 * SECOND;

export interface RecoveryApiPorts {
  readonly database: Queryable;
  readonly topology: () => Topology;
  readonly clock: Clock;
  readonly desk: FailoverDesk;
  readonly adoption: Adoption;
  /** Up to when backups could bring a component back, as far as anything tells. */
  readonly restorable: (now: Instant) => Promise<(component: string) => NewestRestorable | undefined>;
}

async function readAccounts(
  database: Queryable,
  filter: { readonly cluster?: string; readonly limit: number },
): Promise<readonly { readonly cluster: string; readonly account: DecisionAccount }[]> {
  const decisions = await readDecisions(database, filter);
  return decisions.flatMap(({ cluster, records }) => {
    const account = accountDecision(records);
    return account === undefined ? [] : [{ cluster, account }];
  });
}

export function recoveryApi({
  database,
  topology,
  clock,
  desk,
  adoption,
  restorable,
}: RecoveryApiPorts): ServiceImplementation<typeof RecoveryService, CallContext> {
  const viewOf = async (cluster: string) => {
    const found = (await readClusters(database)).find((one) => one.cluster === cluster);
    if (found !== undefined) return { cluster: clusterToWire(found) };
    const adopted = (await readAdopted(database)).find((one) => one.cluster === cluster);
    return adopted === undefined ? {} : { cluster: adoptedToWire(adopted) };
  };
  return {
    async listObjectives() {
      const clusters = await readClusters(database);
      const adopted = await readAdopted(database);
      const now = clock.now();
      const drills = await standDrills(database, topology(), now);
      const newestOf = await restorable(now);
      const judged = topology().map(async (component) => {
        const accounts = await readAccounts(database, { cluster: component.id, limit: DECISIONS_JUDGED });
        const cluster = clusters.find((one) => one.cluster === component.id && one.releasedAt === undefined);
        const other = adopted.find((one) => one.cluster === component.id && one.releasedAt === undefined);
        const live =
          cluster === undefined
            ? other &&
              estimatePatroni(other.observed && { at: other.observed.at, seen: other.observed.seen.seen })
            : estimateCluster(cluster.policy, cluster.state, cluster.observed);
        const passed = drills.find(
          ({ drill, standing }) => drill.cluster === component.id && standing.last === "passed",
        );
        const runs = await readRestores(database, component.id, RESTORES_JUDGED);
        const restores = judgeRestores(runs, newestOf(component.id));
        const objective = judgeObjective(
          component,
          accounts.map(({ account }) => account),
          live,
        );
        return objectiveToWire(withRestores(objective, restores, now), restores, passed?.standing.lastAt);
      });
      return { objectives: await Promise.all(judged) };
    },

    async listDecisions({ cluster, limit }) {
      const accounts = await readAccounts(database, {
        ...(cluster === "" ? {} : { cluster }),
        limit: limitOf(limit),
      });
      return { decisions: accounts.map(({ cluster: of, account }) => decisionToWire(of, account)) };
    },

    async explainDecision({ cluster, epoch }) {
      const registered = (await readClusters(database)).find((one) => one.cluster === cluster);
      const account = accountDecision(await readRecords(database, cluster, Number(epoch)));
      const adopted = registered === undefined && (await isKeptByPatroni(database, cluster));
      if ((registered === undefined && !adopted) || account === undefined) {
        throw new OpsError(
          "NOT_FOUND",
          `decision ${epoch} of cluster "${cleanText(cluster, 100)}": there is none`,
        );
      }
      const faults =
        registered === undefined
          ? checkLog(await readPatroniLog(database, cluster))
          : checkTrace(registered.policy, registered.firstPrimary, await readRecords(database, cluster)).map(
              ({ index, because }) => `record ${index + 1}: ${because}`,
            );
      return {
        decision: decisionToWire(cluster, account),
        steps: account.steps.map(({ at, kind, says }) => ({
          at: timestampFromMs(Math.floor(at)),
          kind,
          says,
        })),
        faults: [...faults],
      };
    },

    async listClusters({ includeReleased }) {
      const shown = ({ releasedAt }: { readonly releasedAt: number | undefined }): boolean =>
        includeReleased || releasedAt === undefined;
      const kept = (await readClusters(database)).filter(shown).map(clusterToWire);
      const adopted = (await readAdopted(database)).filter(shown).map(adoptedToWire);
      return { clusters: [...kept, ...adopted] };
    },

    async registerCluster(request, { caller }) {
      const { cluster, members, primary, mode, required, rpoBytes, leaseMs, manual, failoversPerHourMax } =
        request;
      if (!CLUSTER.test(cluster)) throw invalid("cluster", cluster, "a name of a-z, 0-9 and -");
      if (request.patroni.length > 0) {
        const wish = { endpoints: request.patroni, manual, failoversPerHourMax };
        await adoption.adopt(cluster, wish, caller.actor);
        return viewOf(cluster);
      }
      if (members.length > MEMBERS_MAX)
        throw invalid("members", `${members.length}`, `at most ${MEMBERS_MAX}`);
      if (mode !== "synchronous" && mode !== "asynchronous")
        throw invalid("mode", mode, "synchronous or asynchronous");
      // As the agents make theirs of their settings, for both must come to the same.
      const lease = leaseMs === 0 ? LEASE_DEFAULT : leaseMs;
      const policy = localPolicy([...members].sort(), {
        mode,
        rpoBytes: Number(rpoBytes),
        manual,
        leaseMs: lease,
        renewMs: Math.floor(lease / 6),
        ...(required === 0 ? {} : { required }),
        ...(failoversPerHourMax === 0 ? {} : { failoversPerHourMax }),
        ...(request.poolers.length === 0 ? {} : { poolers: [...request.poolers].sort() }),
      });
      await desk.register(cluster, policy, primary, caller.actor);
      return viewOf(cluster);
    },

    async releaseCluster({ cluster, reason }, { caller }) {
      await desk.release(cluster, caller.actor, reason);
      await adoption.letGo(cluster, caller.actor);
      return {};
    },

    async planFailover({ cluster, kind, to }) {
      const plan = await desk.plan({ cluster, kind: readKind(kind), to });
      const { hash, steps, against, needsApproval, from } = plan;
      return { planHash: hash, steps: [...steps], against: [...against], needsApproval, from, to: plan.to };
    },

    async requestFailover({ cluster, kind, to, planHash, reason }, { caller }) {
      const wish = { cluster, kind: readKind(kind), to, planHash, reason, drill: "" };
      return { request: requestToWire(await desk.request(wish, caller.actor)) };
    },

    async decideFailover({ cluster, requestId, epoch, answer, reason, acceptLoss }, { caller: { actor } }) {
      if (requestId !== "") {
        if (answer !== "approve" && answer !== "refuse") throw invalid("answer", answer, "approve or refuse");
        const approved = answer === "approve";
        return {
          request: requestToWire(await desk.decideRequest(cluster, requestId, approved, reason, actor)),
        };
      }
      if (answer !== "approve" && answer !== "refuse" && answer !== "vouch")
        throw invalid("answer", answer, "approve, refuse or vouch");
      const decided: Parameters<FailoverDesk["decideDecision"]>[1] = {
        kind: answer,
        epoch: Number(epoch),
        acceptLoss,
        reason,
      };
      return { request: requestToWire(await desk.decideDecision(cluster, decided, actor)) };
    },

    async pauseCluster({ cluster, paused, reason }, { caller }) {
      return { request: requestToWire(await desk.pause(cluster, paused, reason, caller.actor)) };
    },

    async listRequests({ cluster, limit }) {
      const filter = { ...(cluster === "" ? {} : { cluster }), limit: limitOf(limit) };
      return { requests: (await readRequests(database, filter)).map(requestToWire) };
    },

    async listDrills() {
      const stood = await standDrills(database, topology(), clock.now());
      return { drills: stood.map(({ drill, standing }) => drillToWire(drill, standing)) };
    },

    async startDrill({ drill: id, reason }, { caller }) {
      const drill = drillsOf(topology()).find((one) => one.id === id);
      if (drill === undefined)
        throw new OpsError("NOT_FOUND", `there is no drill "${cleanText(id, 100)}" in the components file`);
      const { cluster, kind } = drill;
      const open = await readOpenRun(database);
      if (kind !== "switchover" || open !== undefined) {
        const why = open === undefined ? "it is run by DrillsService.RunDrill" : `${open.drill} is under way`;
        throw new OpsError("FAILED_PRECONDITION", `drill "${id}": ${why}`);
      }
      const { hash } = await desk.plan({ cluster, kind, to: "" });
      const wish = { cluster, kind, to: "", planHash: hash, reason, drill: id } as const;
      return { request: requestToWire(await desk.request(wish, caller.actor)) };
    },
  };
}

const limitOf = (limit: number): number => Math.min(limit === 0 ? LIST.default : limit, LIST.max);

const invalid = (field: string, value: string, expected: string): OpsError =>
  new OpsError("INVALID_ARGUMENT", `${field} is "${cleanText(value, 100)}", expected ${expected}`);

function readKind(kind: string): "switchover" | "force" {
  if (kind === "switchover" || kind === "force") return kind;
  throw invalid("kind", kind, "switchover or force");
}
