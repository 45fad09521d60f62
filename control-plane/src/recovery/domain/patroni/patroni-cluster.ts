/**
 * A cluster whose lease Patroni keeps, adopted as it is: what may be done about it, what is written down of it, and what
 * those records add up to. Patroni alone decides who may take writes; what stands here asks it, and tells of it.
 *
 * A decision is of Patroni's own (`lost`, until somebody is open again) or of a person (`waits` for another person's yes,
 * `ready`, `asked` of Patroni), and is closed or aborted. Whoever is started goes on from the records.
 */
import type { Duration, Instant } from "../../../kernel/time.js";
import { HOUR, SECOND } from "../../../kernel/time.js";

export interface PatroniPolicy {
  /** Origins of Patroni's REST API on each member; nothing else is called. */
  readonly endpoints: readonly string[];
  /** Patroni is kept in maintenance mode, and every failover needs a person. */
  readonly manual: boolean;
  /** So many failovers within an hour, and Patroni is put into maintenance mode. 0: it is left as it is. */
  readonly failoversPerHourMax: number;
}

export const FAILOVERS_WITHIN: Duration = HOUR;
/** A refused failover is not asked for again so soon. */
export const REFUSED_RESTS: Duration = 10 * 60 * SECOND;
/** Patroni answers a switchover within two of its loops and twenty polls; after that it is what it is. */
export const ASKED_WITHIN: Duration = 90 * SECOND;
/** Patroni's history tells of a promotion a loop later; its slowest default is ten seconds. */
export const HISTORY_WITHIN: Duration = 30 * SECOND;

export type AdoptedKind = "failover" | "switchover";

export type PatroniRecord = { readonly at: Instant } & (
  | {
      readonly kind: "patroni-adopted";
      readonly leader: string;
      readonly timeline: number;
      readonly members: readonly string[];
      readonly version: string;
      readonly by: string;
    }
  | {
      readonly kind: "patroni-intended";
      readonly epoch: number;
      readonly decision: AdoptedKind;
      /** Patroni moves, or has moved, the lease by itself. */
      readonly byPatroni: boolean;
      readonly from: string;
      readonly to: string | null;
      /** Of the owner that is replaced. */
      readonly timeline: number;
      readonly trigger: string;
      /** Who approved what a person asked for; null when nobody was asked. */
      readonly approvedBy: string | null;
      readonly acceptLoss: boolean;
      /** When the old owner was last seen open; null when nobody was looking. */
      readonly openAt: Instant | null;
      /** How far its log was then. */
      readonly lsn: number | null;
    }
  | { readonly kind: "patroni-approval-asked"; readonly epoch: number; readonly because: string }
  | {
      readonly kind: "patroni-approved";
      readonly epoch: number;
      readonly by: string;
      readonly reason: string;
      readonly acceptLoss: boolean;
    }
  /** Written before the request is sent: it may have been. */
  | {
      readonly kind: "patroni-asked";
      readonly epoch: number;
      readonly to: string;
      readonly because: string;
    }
  | {
      readonly kind: "patroni-answered";
      readonly epoch: number;
      readonly status: number;
      readonly says: string;
    }
  | {
      readonly kind: "patroni-promoted";
      readonly epoch: number;
      readonly leader: string;
      readonly timeline: number;
      /** At most so long nobody was open; null when nobody was looking. */
      readonly away: Duration | null;
      readonly evidence: string;
    }
  | {
      readonly kind: "patroni-closed";
      readonly epoch: number;
      /** Bytes that the old owner was last seen to have beyond where the new timeline begins; null when unknown. */
      readonly missingBytes: number | null;
      readonly evidence: string;
      /** `reopened`: the same owner is open again on its timeline. `elsewhere`: another than the one that was asked for. */
      readonly outcome: "done" | "reopened" | "elsewhere";
    }
  | {
      readonly kind: "patroni-aborted";
      readonly epoch: number;
      readonly because: string;
      readonly refused: boolean;
    }
  /** What people want: whether Patroni may fail over by itself. */
  | {
      readonly kind: "patroni-hold";
      readonly hold: boolean;
      readonly by: string;
      readonly reason: string;
    }
  /** Written before Patroni is put into, or taken out of, maintenance mode. */
  | { readonly kind: "patroni-pausing"; readonly pause: boolean; readonly because: string }
  /** The maintenance mode that was ours is seen to have ended. */
  | { readonly kind: "patroni-unpaused" }
);

export type RecordOf<K extends PatroniRecord["kind"]> = Extract<PatroniRecord, { readonly kind: K }>;

export type PatroniPhase = "lost" | "waits" | "ready" | "asked" | "promoted";

export interface PatroniDecision {
  readonly epoch: number;
  readonly kind: AdoptedKind;
  readonly byPatroni: boolean;
  readonly from: string;
  readonly to: string | null;
  readonly timeline: number;
  readonly phase: PatroniPhase;
  readonly startedAt: Instant;
  readonly phaseAt: Instant;
  /** Why a person is asked; null when none is. */
  readonly ask: string | null;
  readonly approval: { readonly by: string; readonly acceptLoss: boolean } | null;
  readonly openAt: Instant | null;
  readonly lsn: number | null;
}

/** What the records add up to. */
export interface PatroniState {
  /** The owner that was last seen open. */
  readonly leader: string;
  readonly timeline: number;
  /** The highest number a decision took; never used twice. */
  readonly taken: number;
  readonly hold: { readonly by: string; readonly reason: string } | null;
  /** Patroni's maintenance mode, as far as it is ours: asked for, and `ending` until it is seen to have ended. */
  readonly pausing: "no" | "on" | "ending";
  /** Closed failovers, within an hour of the newest. */
  readonly failovers: readonly Instant[];
  readonly restUntil: Instant;
  readonly decision: PatroniDecision | null;
}

export const NEVER_ADOPTED: PatroniState = {
  leader: "",
  timeline: 0,
  taken: 0,
  hold: null,
  pausing: "no",
  failovers: [],
  restUntil: 0,
  decision: null,
};

/** Why a record may not follow; undefined when it may. */
export function refusalOf(state: PatroniState, record: PatroniRecord): string | undefined {
  const open = state.decision;
  switch (record.kind) {
    case "patroni-adopted":
      return open === null ? undefined : "a decision is open";
    case "patroni-hold":
    case "patroni-pausing":
    case "patroni-unpaused":
      return state.leader === "" ? "the cluster is not adopted" : undefined;
    case "patroni-intended":
      if (state.leader === "") return "the cluster is not adopted";
      if (open !== null) return `decision ${open.epoch} is open`;
      return record.epoch > state.taken ? undefined : `epoch ${record.epoch} was taken`;
    default: {
      if (open === null) return "no decision is open";
      if (open.epoch !== record.epoch) return `decision ${open.epoch} is open, not ${record.epoch}`;
      const from = MAY_FOLLOW[record.kind];
      return from.includes(open.phase) ? undefined : `it does not follow upon "${open.phase}"`;
    }
  }
}

type OfDecision = Exclude<
  PatroniRecord["kind"],
  "patroni-adopted" | "patroni-hold" | "patroni-pausing" | "patroni-unpaused" | "patroni-intended"
>;

const MAY_FOLLOW: Readonly<Record<OfDecision, readonly PatroniPhase[]>> = {
  "patroni-approval-asked": ["lost", "ready", "waits"],
  "patroni-approved": ["waits"],
  "patroni-asked": ["ready"],
  "patroni-answered": ["asked"],
  "patroni-promoted": ["lost", "waits", "ready", "asked"],
  "patroni-closed": ["promoted"],
  "patroni-aborted": ["lost", "waits", "ready", "asked"],
};

/** The state after a record that may follow. */
export function applyRecord(state: PatroniState, record: PatroniRecord): PatroniState {
  const { decision } = state;
  const to = (phase: PatroniPhase, more: Partial<PatroniDecision> = {}): PatroniState =>
    decision === null ? state : { ...state, decision: { ...decision, ...more, phase, phaseAt: record.at } };
  switch (record.kind) {
    case "patroni-adopted":
      return { ...NEVER_ADOPTED, leader: record.leader, timeline: record.timeline, taken: state.taken };
    case "patroni-hold":
      return { ...state, hold: record.hold ? { by: record.by, reason: record.reason } : null };
    case "patroni-pausing":
      return { ...state, pausing: record.pause ? "on" : "ending" };
    case "patroni-unpaused":
      return { ...state, pausing: "no" };
    case "patroni-intended": {
      const { epoch, decision: kind, byPatroni, from, timeline, openAt, lsn } = record;
      const approval =
        record.approvedBy === null ? null : { by: record.approvedBy, acceptLoss: record.acceptLoss };
      const phase = byPatroni ? "lost" : "ready";
      const taken = { epoch, kind, byPatroni, from, to: record.to, timeline, openAt, lsn, approval };
      const begun = { ...taken, phase, startedAt: record.at, phaseAt: record.at, ask: null } as const;
      return { ...state, taken: epoch, decision: begun };
    }
    case "patroni-approval-asked":
      return to("waits", { ask: record.because, approval: null });
    case "patroni-approved":
      return to("ready", { ask: null, approval: { by: record.by, acceptLoss: record.acceptLoss } });
    case "patroni-asked":
      return to("asked", { to: record.to });
    case "patroni-answered":
      return state;
    case "patroni-promoted": {
      const after = to("promoted");
      return { ...after, leader: record.leader, timeline: record.timeline };
    }
    case "patroni-closed": {
      const counts = decision?.kind === "failover" && record.outcome !== "reopened";
      const recent = state.failovers.filter((at) => record.at - at < FAILOVERS_WITHIN);
      return { ...state, decision: null, failovers: counts ? [...recent, record.at] : recent };
    }
    case "patroni-aborted":
      return {
        ...state,
        decision: null,
        restUntil: record.refused ? record.at + REFUSED_RESTS : state.restUntil,
      };
  }
}

/** What is wrong with a log, each with its place; none when every record may follow those before it. */
export function checkLog(records: readonly PatroniRecord[]): readonly string[] {
  const faults: string[] = [];
  let state = NEVER_ADOPTED;
  records.forEach((record, index) => {
    const why = refusalOf(state, record);
    if (why !== undefined) faults.push(`record ${index + 1}: "${record.kind}": ${why}`);
    state = applyRecord(state, record);
  });
  return faults;
}
