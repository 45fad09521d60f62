/** What a record of the decision log changes, and which records may follow which. */
import type { ClusterState, Decision, LogRecord, Phase, RecordKind } from "./decision.js";
import { holdersOf } from "./holders.js";
import type { Instant } from "./words.js";

const HOUR_MS = 3_600_000;

/** In which phases of its decision a record may stand. */
const within: Partial<Record<RecordKind, readonly Phase[]>> = {
  "approval-asked": ["intended", "promising"],
  approved: ["awaiting-approval", "promising"],
  holding: ["intended"],
  "stepping-down": ["intended", "holding"],
  promising: ["intended", "awaiting-approval", "stepping-down"],
  chosen: ["promising"],
  stonith: ["promising", "chosen"],
  fenced: ["chosen"],
  promoting: ["fenced"],
  promoted: ["promoting"],
  verified: ["promoted"],
  routed: ["verified"],
  closed: ["promoted", "verified", "routed"],
  aborted: ["intended", "awaiting-approval", "holding", "stepping-down", "promising", "chosen", "fenced"],
};

/** Why the record may not follow, in a sentence; null when it may. What it rests on is judged by `checkTrace`. */
export function refusalOf(state: ClusterState, record: LogRecord): string | null {
  const { decision } = state;
  if (record.kind === "intended") {
    if (decision !== null) return `decision ${decision.epoch} is open`;
    if (record.epoch <= state.taken) return `epoch ${record.epoch} was taken (${state.taken})`;
    if (record.from !== state.primary) return `from ${record.from}, but ${state.primary} is the owner`;
    return null;
  }
  const allowed = within[record.kind];
  if (allowed === undefined) return refusalOutside(state, record);
  if (decision === null) return `no decision is open for "${record.kind}"`;
  if ("epoch" in record && record.epoch !== decision.epoch) {
    return `"${record.kind}" of epoch ${record.epoch} within decision ${decision.epoch}`;
  }
  if (!allowed.includes(decision.phase)) return `"${record.kind}" does not follow ${decision.phase}`;
  const unapproved = decision.ask !== null && decision.approval === null;
  if (
    unapproved &&
    (record.kind === "promising" || record.kind === "stepping-down" || record.kind === "holding")
  ) {
    return `needs approval first: ${decision.ask}`;
  }
  if (record.kind === "holding" && decision.kind !== "switchover")
    return "only a planned switchover holds clients";
  if (record.kind === "promoting" && record.candidate !== decision.candidate) {
    return `promotes ${record.candidate}, but ${decision.candidate} was chosen`;
  }
  return null;
}

function refusalOutside(state: ClusterState, record: LogRecord): string | null {
  switch (record.kind) {
    case "proposed":
      if (state.decision !== null) return "holders change only while no decision is open";
      if (record.holders.version > Math.max(state.eligible.version, state.proposed?.version ?? -1))
        return null;
      return `version ${record.holders.version} was used`;
    case "eligible":
      if (state.decision !== null) return "holders change only while no decision is open";
      if (record.holders.version === state.proposed?.version) return null;
      return `version ${record.holders.version} was not proposed`;
    case "checkpointed":
      return record.epoch === state.primaryEpoch ? null : `epoch ${record.epoch} is not the owner's`;
    case "clients-go-on":
      return record.epoch === state.clientsHeldIn ? null : `no clients were held in ${record.epoch}`;
    default:
      return null;
  }
}

/** The state after a record that may follow. Never throws. */
export function applyRecord(state: ClusterState, record: LogRecord): ClusterState {
  switch (record.kind) {
    case "intended":
      return {
        ...state,
        taken: record.epoch,
        decision: {
          epoch: record.epoch,
          kind: record.decision,
          from: record.from,
          fromEpoch: state.primaryEpoch,
          to: record.to,
          phase: "intended",
          startedAt: record.at,
          phaseAt: record.at,
          trigger: record.trigger,
          ask: record.ask,
          approval: record.approval,
          stonith: null,
          candidate: null,
        },
      };
    case "approval-asked":
      // While promises are asked for, the answer is awaited without giving up on a better one.
      if (state.decision?.phase === "promising") return amend(state, { ask: record.because });
      return move(state, record, "awaiting-approval", { ask: record.because });
    case "approved": {
      const { by, reason, acceptLoss } = record;
      return amend(state, { approval: { by, reason, acceptLoss } });
    }
    case "stonith":
      return amend(state, { stonith: record.by });
    case "holding": {
      const { poolers, epoch } = record;
      return { ...move(state, record, "holding", { holds: poolers }), clientsHeldIn: epoch };
    }
    case "stepping-down":
      return move(state, record, "stepping-down");
    case "promising":
      return { ...move(state, record, "promising"), promised: record.epoch };
    case "chosen":
      return move(state, record, "chosen", { candidate: record.candidate });
    case "fenced":
      return move(state, record, "fenced");
    case "promoting":
      // From here on only the candidate has what is written; and it waits for nobody until it is told to.
      return {
        ...move(state, record, "promoting"),
        primary: record.candidate,
        primaryEpoch: record.epoch,
        eligible: holdersOf(Math.max(state.eligible.version, state.proposed?.version ?? 0) + 1, [], 0),
        proposed: null,
      };
    case "promoted":
      return move(state, record, "promoted");
    case "verified":
      return { ...move(state, record, "verified"), checkpointed: record.epoch };
    case "routed":
      return move(afterClients(state), record, "routed");
    case "clients-go-on":
      return afterClients(state);
    case "closed": {
      const { decision } = state;
      const failover = decision?.kind === "failover" && decision.candidate !== decision.from;
      const recent = state.failovers.filter((at) => record.at - at < HOUR_MS);
      const ended = record.outcome === "done" ? afterSuccess(state) : afterFailure(state, record.at);
      return {
        ...ended,
        decision: null,
        holdDownUntil: Math.max(state.holdDownUntil, record.holdDownUntil),
        failovers: failover ? [...recent, record.at] : recent,
      };
    }
    case "aborted": {
      const { decision } = state;
      // A planned switchover that is called off leaves an owner that goes on or is opened again at once, and so does the
      // wait for a person when the owner is back. Only what has begun to promote has failed.
      const failed = decision?.kind !== "switchover" && decision !== null && begun.includes(decision.phase);
      return { ...(failed ? afterFailure(state, record.at) : state), decision: null };
    }
    case "proposed":
      return { ...state, proposed: record.holders };
    case "eligible":
      return { ...state, eligible: record.holders, proposed: null };
    case "checkpointed":
      return { ...afterSuccess(state), checkpointed: record.epoch };
    case "hold-down-over":
      return { ...state, holdDownUntil: 0 };
    case "paused":
      return { ...state, paused: true };
    case "resumed":
      return { ...state, paused: false };
  }
}

/** Its epoch is promised: nobody else's counts any more. */
const begun: readonly Phase[] = ["promising", "chosen", "fenced"];

const afterFailure = (state: ClusterState, endedAt: Instant): ClusterState => ({
  ...state,
  fruitless: { count: (state.fruitless?.count ?? 0) + 1, endedAt },
});

function afterSuccess(state: ClusterState): ClusterState {
  const { fruitless: _, ...rest } = state;
  return rest;
}

function afterClients(state: ClusterState): ClusterState {
  const { clientsHeldIn: _, ...rest } = state;
  return rest;
}

const amend = (state: ClusterState, change: Partial<Decision>): ClusterState =>
  state.decision === null ? state : { ...state, decision: { ...state.decision, ...change } };

const move = (
  state: ClusterState,
  record: LogRecord,
  phase: Phase,
  change: Partial<Decision> = {},
): ClusterState => amend(state, { ...change, phase, phaseAt: record.at });
