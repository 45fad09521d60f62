/** What Patroni did with the lease since it was last looked: one decision for each new timeline that its history tells. */
import { type Duration, formatDuration, type Instant, SECOND } from "../../../kernel/time.js";
import type { PatroniDecision, PatroniRecord, PatroniState } from "./patroni-cluster.js";
import type { OpenOwner, PatroniHistoryLine, PatroniSeen } from "./patroni-seen.js";
import type { PatroniMemory } from "./patroni-step.js";

/** Whoever did not look for longer than this cannot say how long nobody was open. */
const WATCHED_WITHIN: Duration = 30 * SECOND;

type Move = (state: PatroniState) => readonly PatroniRecord[];

/** The records of each move, oldest first; the last one is to `open`. Each is given the state after those before it. */
export function moves(
  before: PatroniState,
  seen: PatroniSeen,
  memory: PatroniMemory,
  open: OpenOwner,
): readonly Move[] {
  const since = before.decision?.timeline ?? before.timeline;
  const lines = seen.history.filter(({ timeline }) => timeline >= since && timeline < open.timeline);
  const earlier = lines.filter(({ timeline }) => timeline < open.timeline - 1);
  const last = lines.find(({ timeline }) => timeline === open.timeline - 1);
  return [
    ...earlier.map((line) => (state: PatroniState) => unseen(state, line, seen)),
    (state) => seenMove(state, seen, memory, open, last),
  ];
}

/** It is known from the history alone. The first of them is what a decision that was open led to. */
function unseen(state: PatroniState, line: PatroniHistoryLine, seen: PatroniSeen): readonly PatroniRecord[] {
  const { at } = seen;
  const { decision } = state;
  const epoch = decision?.epoch ?? state.taken + 1;
  const leader = line.leader === "" ? "unknown" : line.leader;
  const trigger = `Patroni's history: timeline ${line.timeline} ended at ${line.lsn} (${line.reason})`;
  const wanted = decision?.to ?? null;
  const outcome = wanted === null || wanted === leader ? "done" : "elsewhere";
  return [
    ...(decision === null ? [intended(state, at, epoch, trigger)] : []),
    {
      at,
      kind: "patroni-promoted",
      epoch,
      leader,
      timeline: line.timeline + 1,
      away: null,
      evidence: "nobody was looking, so how long it took is not known",
    },
    { at, kind: "patroni-closed", epoch, outcome, missingBytes: null, evidence: tellLine(line) },
  ];
}

function seenMove(
  state: PatroniState,
  seen: PatroniSeen,
  memory: PatroniMemory,
  open: OpenOwner,
  line: PatroniHistoryLine | undefined,
): readonly PatroniRecord[] {
  const { at } = seen;
  const { decision } = state;
  const epoch = decision?.epoch ?? state.taken + 1;
  const openAt = decision === null ? (memory.open?.at ?? null) : decision.openAt;
  const ownLsn = decision === null ? (memory.open?.lsn ?? null) : decision.lsn;
  const looked = memory.lookedAt === undefined ? undefined : at - memory.lookedAt;
  const watched = looked !== undefined && looked <= WATCHED_WITHIN;
  const since = decision?.kind === "switchover" ? decision.phaseAt : openAt;
  const away = watched && since !== null ? Math.max(0, at - since) : null;
  const evidence = [
    open.itself
      ? `${open.leader} says that it takes writes, on timeline ${open.timeline}`
      : `Patroni's store says that ${open.leader} leads timeline ${open.timeline}; it could not be asked itself`,
    away === null
      ? "nobody was looking, so how long it took is not known"
      : `looked every ${formatDuration(Math.max(1, Math.round(looked ?? 0)))}`,
  ].join("; ");
  return [
    ...(decision === null
      ? [
          intended(state, at, epoch, tellTrigger(state, open, line), {
            to: open.leader,
            openAt,
            lsn: ownLsn,
          }),
        ]
      : []),
    {
      at,
      kind: "patroni-promoted",
      epoch,
      leader: open.leader,
      timeline: open.timeline,
      away,
      evidence,
    },
  ];
}

/** What ends a decision whose owner is open: where the old timeline ended, if Patroni's history tells it by now. */
export function closing(state: PatroniState, decision: PatroniDecision, seen: PatroniSeen): PatroniRecord {
  const { epoch, to, lsn } = decision;
  const line = lineBefore(state.timeline, seen);
  const missingBytes = line === undefined || lsn === null ? null : Math.max(0, lsn - line.lsn);
  return {
    at: seen.at,
    kind: "patroni-closed",
    epoch,
    outcome: to === null || to === state.leader ? "done" : "elsewhere",
    missingBytes,
    evidence: line === undefined ? "Patroni's history does not tell of it" : tellLine(line),
  };
}

/** The line of Patroni's history that tells how a timeline began; undefined when it does not tell it, or not yet. */
export const lineBefore = (timeline: number, seen: PatroniSeen): PatroniHistoryLine | undefined =>
  seen.history.find((line) => line.timeline === timeline - 1);

const tellTrigger = (state: PatroniState, open: OpenOwner, line: PatroniHistoryLine | undefined): string =>
  open.leader === state.leader
    ? `Patroni promoted ${open.leader} anew: timeline ${state.timeline} became ${open.timeline}`
    : `Patroni gave the lease of ${state.leader} to ${open.leader} by itself, or was asked to by somebody else${line === undefined ? "" : ` (${line.reason})`}`;

const tellLine = ({ timeline, lsn, at, leader }: PatroniHistoryLine): string =>
  `Patroni's history: timeline ${timeline} ended at ${lsn}${leader === "" ? "" : `, ${leader} went on`}${at === "" ? "" : ` at ${at}`}`;

function intended(
  { leader, timeline }: PatroniState,
  at: Instant,
  epoch: number,
  trigger: string,
  known: { readonly to?: string; readonly openAt?: Instant | null; readonly lsn?: number | null } = {},
): PatroniRecord {
  const { to = null, openAt = null, lsn = null } = known;
  return {
    at,
    kind: "patroni-intended",
    epoch,
    decision: "failover",
    byPatroni: true,
    from: leader,
    to,
    timeline,
    trigger,
    approvedBy: null,
    acceptLoss: false,
    openAt,
    lsn,
  };
}
