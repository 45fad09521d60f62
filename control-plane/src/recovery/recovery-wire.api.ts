/** What is told of recovery, as proto messages. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  DrillSchema,
  FailoverRequestSchema,
  JudgedObjectiveSchema,
  RecoveryClusterViewSchema,
  RecoveryDecisionSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { type Instant, SECOND } from "../kernel/time.js";
import type { DecisionAccount } from "./domain/account-decision.js";
import type { DrillDefinition, DrillStanding } from "./domain/drill.js";
import type { FailoverRequest } from "./domain/failover-request.js";
import type { JudgedObjective } from "./domain/judge-objective.js";
import { historyOf, type JudgedRestores } from "./domain/judge-restores.js";
import type { RecoveryCluster } from "./recovery.store.js";

const whole = (value: number): bigint => BigInt(Math.max(0, Math.round(value)));
const at = (instant: Instant) => timestampFromMs(Math.floor(instant));

/** `{ [key]: value }` where there is a value, else nothing. */
const given = <K extends string, V, T>(
  key: K,
  value: V | undefined,
  as: (value: V) => T,
): { readonly [key in K]?: T } =>
  value === undefined ? {} : ({ [key]: as(value) } as { readonly [key in K]?: T });

export function decisionToWire(
  cluster: string,
  account: DecisionAccount,
): MessageInitShape<typeof RecoveryDecisionSchema> {
  const { epoch, kind, from, trigger, outcome } = account;
  return {
    cluster,
    epoch: BigInt(epoch),
    kind,
    from,
    trigger,
    outcome,
    candidate: account.candidate ?? "",
    startedAt: at(account.startedAt),
    ...given("endedAt", account.endedAt, at),
    ...given("openAfterMs", account.openAfter, whole),
    ...given("missingBytes", account.missingBytes, whole),
    ...given("rtoMs", account.rto, whole),
    ...given("rpoMs", account.rpo, whole),
    fencedBy: account.fencedBy ?? "",
    approvedBy: account.approvedBy ?? "",
  };
}

export function objectiveToWire(
  judged: JudgedObjective,
  restores: JudgedRestores,
  drilledAt: Instant | undefined,
): MessageInitShape<typeof JudgedObjectiveSchema> {
  const { component, verdict, because, rto, rpo, measured, live, trend, rpoVerdict } = judged;
  return {
    component: component.id,
    criticality: component.criticality,
    verdict,
    because,
    trend,
    rpoVerdict,
    ...given("rtoSeconds", rto, (value) => whole(value / SECOND)),
    ...given("rpoSeconds", rpo, (value) => whole(value / SECOND)),
    stated: component.objectives.map((one) => ({
      source: one.source,
      ...given("rtoSeconds", one.rto, (value) => whole(value / SECOND)),
      ...given("rpoSeconds", one.rpo, (value) => whole(value / SECOND)),
    })),
    ...given("measuredEpoch", measured?.epoch, BigInt),
    ...given("measuredAt", measured?.at, at),
    ...given("measuredOpenAfterMs", measured?.openAfter, whole),
    ...given("measuredMissingBytes", measured?.missingBytes, whole),
    ...given("measuredRtoMs", measured?.rto, whole),
    ...given("measuredRpoMs", measured?.rpo, whole),
    ...given("liveRpoMs", live.rpo, whole),
    ...given("liveRpoBytes", live.rpoBytes, whole),
    ...given("liveRtoMs", live.rto, whole),
    liveBecause: live.because,
    ...given("liveAt", live.at, at),
    ...given("drilledAt", drilledAt, at),
    ...given("newestRestorableAt", restores.newest?.at, at),
    newestRestorableBecause: restores.newest?.because ?? "",
    ...given("newestRestorableSeenAt", restores.newest?.seenAt, at),
    ...given("restoredAt", restores.last?.at, at),
    ...given("restoreRtoMs", restores.last?.rto, whole),
    ...given("restoreRpoMs", restores.last?.rpo, whole),
    restoreTrend: restores.trend,
    history: historyOf(judged.measurements, restores, { rto, rpo }).map((one) => ({
      at: at(one.at),
      kind: one.kind,
      rtoMs: whole(one.rto),
      ...given("rpoMs", one.rpo, whole),
      met: one.met,
    })),
  };
}

export function clusterToWire({
  cluster,
  policy,
  state,
  observed,
  releasedAt,
}: RecoveryCluster): MessageInitShape<typeof RecoveryClusterViewSchema> {
  const { decision } = state;
  const seen = observed?.seen;
  const waits = decision !== null && decision.ask !== null && decision.approval === null;
  return {
    cluster,
    primary: state.primary,
    epoch: BigInt(state.primaryEpoch),
    mode: policy.mode,
    manual: policy.manual,
    eligible: [...state.eligible.members],
    paused: state.paused,
    phase: decision?.phase ?? "",
    decisionEpoch: BigInt(decision?.epoch ?? 0),
    awaits: waits ? (decision.ask ?? "") : "",
    because: seen?.because ?? "",
    ...(state.holdDownUntil > 0 ? { holdDownUntil: at(state.holdDownUntil) } : {}),
    ...given("observedAt", observed?.at, at),
    ...given("releasedAt", releasedAt, at),
    poolers: (seen?.poolers ?? []).map(({ node, to, holds, silent, because }) => ({
      node,
      to,
      holds,
      because,
      ...given("silentMs", silent, whole),
    })),
    members: policy.members.map((node) => {
      const member = seen?.members.find((one) => one.node === node);
      return {
        node,
        role: member?.role ?? "",
        lsn: whole(member?.lsn ?? 0),
        streaming: member?.streaming ?? false,
        following: member?.following ?? "",
        promised: whole(member?.promised ?? 0),
        ...given("silentMs", member?.silent, whole),
      };
    }),
  };
}

export function requestToWire(request: FailoverRequest): MessageInitShape<typeof FailoverRequestSchema> {
  const { id, cluster, kind, to, reason, requestedBy, requestedAt, state, because, decidedBy } = request;
  return {
    requestId: id,
    cluster,
    kind,
    to,
    reason,
    requestedBy: requestedBy.name,
    requestedAt: at(requestedAt),
    state,
    because,
    decidedBy: decidedBy?.name ?? "",
    epoch: BigInt(request.epoch ?? 0),
    planHash: request.planHash,
    drill: request.drill,
  };
}

export function drillToWire(
  { id, cluster, kind, every, byItself, restore }: DrillDefinition,
  standing: DrillStanding,
): MessageInitShape<typeof DrillSchema> {
  const { last, because, score, overdue, account, report } = standing;
  return {
    drill: id,
    cluster,
    kind,
    everySeconds: whole(every / SECOND),
    last,
    because,
    score,
    overdue,
    dueAt: at(standing.dueAt),
    ...given("lastAt", standing.lastAt, at),
    ...given("openAfterMs", account?.openAfter, whole),
    ...given("missingBytes", account?.missingBytes, whole),
    begins: byItself ? "by-itself" : "by-a-person",
    node: restore?.node ?? "",
    repository: restore?.repository ?? "",
    ...given("restoreRtoMs", report?.rto, whole),
    ...given("restoreRpoMs", report?.rpo, whole),
  };
}
