/**
 * What is next for an adopted cluster: after a look at it, after what a person asks, after what Patroni answered. Records
 * are durable before the effect that comes with them is begun. A request that was written down may have been sent or not:
 * as long as the same owner is open on the same timeline it is sent again, and Patroni refuses what no longer fits.
 */
import { type Duration, formatDuration, type Instant, SECOND } from "../../../kernel/time.js";
import { endPause, keepPause } from "./keep-pause.js";
import {
  ASKED_WITHIN,
  applyRecord,
  HISTORY_WITHIN,
  type PatroniDecision,
  type PatroniPolicy,
  type PatroniRecord,
  type PatroniState,
} from "./patroni-cluster.js";
import {
  fitReplicas,
  isLost,
  type OpenOwner,
  openOwner,
  type PatroniSeen,
  storeOwner,
} from "./patroni-seen.js";
import { nothing, type PatroniEffect, type PatroniMemory, type PatroniStep } from "./patroni-step.js";
import { closing, lineBefore, moves } from "./read-moves.js";

/** What was not answered is asked again so often. */
const MOVE_AGAIN: Duration = 5 * SECOND;
/** When nobody is open after so many of its leases, Patroni alone does not find a way. */
const LEASES_WAITED = 3;
/** A member that is slow to answer is no reason to give up what a person asked for. */
const READY_WITHIN: Duration = 30 * SECOND;
/** Patroni's own, where its settings are not known. */
const TTL_DEFAULT: Duration = 30 * SECOND;

/** After a look at it. */
export function afterLook(
  policy: PatroniPolicy,
  state: PatroniState,
  seen: PatroniSeen,
  memory: PatroniMemory,
): PatroniStep {
  const open = openOwner(seen);
  const named = open ?? storeOwner(seen);
  const { decision } = state;
  if (decision?.phase === "promoted") return settle(state, decision, seen, memory, named);
  if (named !== undefined && hasMoved(state, decision, named)) return moved(state, seen, memory, named);
  if (decision !== null) return afterLookInDecision(policy, state, decision, seen, memory, open);
  if (open !== undefined) return keepPause(policy, state, seen, memory);
  if (!isLost(seen)) return nothing(tellUnseen(state, seen));
  if (seen.at < state.restUntil) return nothing("nobody is open, and a person refused a failover");
  return lost(state, seen, memory);
}

/** The common store names a new leader before that is open: then only its new timeline counts. */
const hasMoved = (state: PatroniState, decision: PatroniDecision | null, open: OpenOwner): boolean =>
  (open.itself && open.leader !== (decision?.from ?? state.leader)) ||
  open.timeline > (decision?.timeline ?? state.timeline);

function tellUnseen(state: PatroniState, seen: PatroniSeen): string {
  if (seen.heard === 0) return `no member answers: ${seen.silent.join("; ")}`;
  if (seen.holder === undefined) return "the members cannot ask their common store, and nobody is open";
  return `${state.leader} is not heard; Patroni's lease has not run out`;
}

/** Nobody is open. Patroni moves the lease by itself, unless it is in maintenance mode: then a person decides. */
function lost(state: PatroniState, seen: PatroniSeen, memory: PatroniMemory): PatroniStep {
  const epoch = state.taken + 1;
  const trigger = tellLoss(state, seen, memory);
  const intended = {
    at: seen.at,
    kind: "patroni-intended",
    epoch,
    decision: "failover",
    byPatroni: true,
    from: state.leader,
    to: null,
    timeline: state.timeline,
    trigger,
    approvedBy: null,
    acceptLoss: false,
    openAt: memory.open?.at ?? null,
    lsn: memory.open?.lsn ?? null,
  } as const;
  if (!seen.paused) return { records: [intended], effects: [], because: trigger };
  const because = "Patroni is in maintenance mode and fails nobody over by itself";
  return {
    records: [intended, { at: seen.at, kind: "patroni-approval-asked", epoch, because }],
    effects: [{ kind: "page", epoch, because: `${trigger}; ${because}` }],
    because,
  };
}

function tellLoss(state: PatroniState, seen: PatroniSeen, memory: PatroniMemory): string {
  const holder = seen.members.find(({ name }) => name === seen.holder);
  const how =
    holder === undefined
      ? "nobody holds Patroni's lease"
      : `${holder.name} holds Patroni's lease and is not open (${holder.state})`;
  const since =
    memory.open === undefined
      ? "it was not seen open before"
      : `last seen open ${formatDuration(seen.at - memory.open.at)} before`;
  return `${how}; ${state.leader} ${since}; ${seen.heard} of ${seen.asked} members answer`;
}

/** Somebody else is open, or the same on a new timeline: what Patroni did is told, each move by its own. */
function moved(state: PatroniState, seen: PatroniSeen, memory: PatroniMemory, open: OpenOwner): PatroniStep {
  const records: PatroniRecord[] = [];
  let after = state;
  for (const move of moves(state, seen, memory, open)) {
    const made = move(after);
    records.push(...made);
    for (const record of made) after = applyRecord(after, record);
  }
  return { records, effects: [], because: `${open.leader} is open on timeline ${open.timeline}` };
}

/** The owner is open: how much is missing is told by Patroni's history, which comes a little later. */
function settle(
  state: PatroniState,
  decision: PatroniDecision,
  seen: PatroniSeen,
  memory: PatroniMemory,
  open: OpenOwner | undefined,
): PatroniStep {
  const again = open !== undefined && hasMoved(state, null, open);
  const told = lineBefore(state.timeline, seen) !== undefined;
  if (!told && !again && seen.at - decision.phaseAt < HISTORY_WITHIN) {
    return nothing(`${state.leader} is open; Patroni's history is waited for`);
  }
  const record = closing(state, decision, seen);
  if (!again) {
    const because = `${state.leader} is open on timeline ${state.timeline}`;
    return { records: [record], effects: [], because };
  }
  const next = moved(applyRecord(state, record), seen, memory, open);
  return { ...next, records: [record, ...next.records] };
}

function afterLookInDecision(
  policy: PatroniPolicy,
  state: PatroniState,
  decision: PatroniDecision,
  seen: PatroniSeen,
  memory: PatroniMemory,
  open: OpenOwner | undefined,
): PatroniStep {
  const { epoch, phase } = decision;
  const { at } = seen;
  // A person's own wish is not over because the owner it was about is open, or is not.
  if (open !== undefined && decision.kind === "failover" && phase !== "ready" && phase !== "asked") {
    return reopened(decision, seen, open);
  }
  switch (phase) {
    case "lost":
      return waitForPatroni(decision, seen);
    case "waits":
      return (
        endPause(policy, state, seen, memory) ?? nothing(`a person has to say yes: ${decision.ask ?? ""}`)
      );
    case "ready":
      return askPatroni(decision, seen);
    case "asked": {
      const waited = at - decision.phaseAt;
      if (waited > ASKED_WITHIN) {
        const because = `Patroni was asked ${formatDuration(waited)} ago, and nobody else is open`;
        return abort(decision, at, because);
      }
      const { asking } = memory;
      if (asking?.epoch === epoch && (!asking.lost || at - asking.at < MOVE_AGAIN)) {
        return nothing(asking.lost ? "Patroni did not answer" : "Patroni is asked");
      }
      return {
        records: [],
        effects: [moveOf(decision, decision.to ?? "")],
        because: "it is not known whether Patroni was asked: it is asked again",
      };
    }
    case "promoted":
      return nothing("");
  }
}

/** Patroni is to act; when it may not, or has not for long, a person is asked. */
function waitForPatroni({ epoch, from, startedAt }: PatroniDecision, seen: PatroniSeen): PatroniStep {
  const { at } = seen;
  const waited = at - startedAt;
  const late = waited > LEASES_WAITED * (seen.settings?.ttl ?? TTL_DEFAULT);
  const told = `${from} is lost since ${formatDuration(waited)}`;
  if (!seen.paused && !late) return nothing(`${told}; Patroni is to act`);
  const because = seen.paused
    ? "Patroni is in maintenance mode and fails nobody over by itself"
    : `${told}, and Patroni has made nobody the owner`;
  return {
    records: [{ at, kind: "patroni-approval-asked", epoch, because }],
    effects: [{ kind: "page", epoch, because }],
    because,
  };
}

function reopened(decision: PatroniDecision, seen: PatroniSeen, open: OpenOwner): PatroniStep {
  const { epoch, openAt } = decision;
  const { at } = seen;
  return {
    records: [
      {
        at,
        kind: "patroni-promoted",
        epoch,
        leader: open.leader,
        timeline: open.timeline,
        away: openAt === null ? null : at - openAt,
        evidence: `${open.leader} is open again`,
      },
      {
        at,
        kind: "patroni-closed",
        epoch,
        outcome: "reopened",
        missingBytes: 0,
        evidence: `the timeline is the same, ${open.timeline}: nothing was left behind`,
      },
    ],
    effects: [],
    because: `${open.leader} is open again`,
  };
}

function abort(decision: PatroniDecision, at: Instant, because: string, refused = false): PatroniStep {
  const { epoch } = decision;
  return {
    records: [{ at, kind: "patroni-aborted", epoch, because, refused }],
    effects: [],
    because,
  };
}

const moveOf = ({ epoch, kind, from }: PatroniDecision, to: string): PatroniEffect => ({
  kind: "move",
  epoch,
  path: kind === "switchover" ? "/switchover" : "/failover",
  from,
  to,
});

/** Whom, and whether what it lacks was accepted. */
function askPatroni(decision: PatroniDecision, seen: PatroniSeen): PatroniStep {
  const { epoch, kind, approval, to: wanted, lsn } = decision;
  const { at } = seen;
  const fit = fitReplicas(seen);
  const candidate = wanted === null ? fit[0] : (fit.find(({ name }) => name === wanted) ?? undefined);
  if (candidate === undefined) {
    const because = `${wanted ?? "no replica"} cannot be promoted now (fit: ${fit.map(({ name }) => name).join(", ") || "nobody"})`;
    if (at - decision.phaseAt < READY_WITHIN) return nothing(`${because}; it is waited for`);
    // A lost owner stays lost: a person is asked again, and not told that all is over.
    if (kind === "switchover" || openOwner(seen) !== undefined) return abort(decision, at, because);
    return decision.byPatroni
      ? { records: [{ at, kind: "patroni-approval-asked", epoch, because }], effects: [], because }
      : abort(decision, at, because);
  }
  const missing = lsn === null || candidate.own?.lsn === undefined ? undefined : lsn - candidate.own.lsn;
  const bearable = seen.settings?.lagMaxBytes ?? 0;
  if (kind === "failover" && approval?.acceptLoss !== true && missing !== undefined && missing > bearable) {
    const because = `${candidate.name} lacks ${missing} bytes of what ${decision.from} had, more than ${bearable}: the loss has to be accepted`;
    return { records: [{ at, kind: "patroni-approval-asked", epoch, because }], effects: [], because };
  }
  const because = `${candidate.name} is ${candidate.lag ?? 0} bytes behind by Patroni's sample`;
  return {
    records: [{ at, kind: "patroni-asked", epoch, to: candidate.name, because }],
    effects: [moveOf(decision, candidate.name)],
    because,
  };
}

/** Patroni answered; 0 when nothing came back. What it did is judged by the next look. */
export function afterAnswer(
  state: PatroniState,
  answer: { readonly epoch: number; readonly status: number; readonly says: string },
  at: Instant,
): PatroniStep {
  const { decision } = state;
  const { epoch, status, says } = answer;
  if (decision?.epoch !== epoch || decision.phase !== "asked") return nothing("");
  if (status === 0) return nothing(`Patroni did not answer: ${says}`);
  const answered: PatroniRecord = { at, kind: "patroni-answered", epoch, status, says };
  // 503 also tells that it is not known how it went, and another leader may be what was asked for: the next look tells.
  const over =
    status === 503 ? / failed/.test(says) : status >= 400 && status < 500 && !/does not match/.test(says);
  if (!over) return { records: [answered], effects: [], because: `Patroni answered ${status}: ${says}` };
  const because = `Patroni refused (${status}): ${says}`;
  return { records: [answered, ...abort(decision, at, because).records], effects: [], because };
}
