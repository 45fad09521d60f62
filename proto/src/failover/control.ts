/**
 * The control plane's part of a failover, as one function: what it knew, what happened and when, to what it knows, what it
 * writes down and what is then to be done. Never throws.
 */
import { grantMs } from "./agent-state.js";
import { restOf } from "./control-back-off.js";
import { callOff, close, drive } from "./control-drive.js";
import { missingPoolers, noteLetGo, steerPoolers } from "./control-poolers.js";
import { bringBack, endHoldDown, reviseHolders } from "./control-redundancy.js";
import type { ControlEvent, ControlState, ControlStep, Reported } from "./control-state.js";
import { append, type ControlTurn, fresh, page, seek } from "./control-turn.js";
import type { ClusterState } from "./decision.js";
import { detectLoss } from "./detect-loss.js";
import { judgeStart } from "./judge-start.js";
import type { Direct, LeaseRequest, NodeState } from "./messages.js";
import type { FailoverPolicy } from "./policy.js";
import { poolersOf } from "./poolers.js";
import { reactionTo } from "./reactions.js";
import { type Rules, soundRules } from "./rules.js";
import type { Instant, VoterId } from "./words.js";

/** A control plane that was started, with what its log adds up to. It may have granted a lease a moment ago. */
export function bootControl(
  policy: FailoverPolicy,
  kept: ClusterState,
  now: Instant,
  rules: Rules = soundRules,
): ControlState {
  return {
    kept: recall(policy, kept, rules),
    bootedAt: now,
    grantUntil: rules.rememberGrants ? now + grantMs(policy, rules.margin) : 0,
    seen: {},
    promises: {},
    stoppedAt: null,
    retryAt: now,
    paged: null,
    poolers: {},
  };
}

/** All that was written down; the mistakes are those that the simulator must find. */
function recall(policy: FailoverPolicy, kept: ClusterState, rules: Rules): ClusterState {
  const { decision } = kept;
  if (!rules.keepLog && decision !== null) {
    return {
      ...kept,
      taken: decision.fromEpoch,
      promised: decision.fromEpoch,
      primary: decision.from,
      primaryEpoch: decision.fromEpoch,
      decision: null,
    };
  }
  if (!rules.keepCandidate && decision?.phase === "promoting") {
    const other = policy.members.find((member) => member !== decision.candidate);
    if (other !== undefined) {
      return { ...kept, primary: other, decision: { ...decision, candidate: other } };
    }
  }
  return kept;
}

export function stepControl(
  policy: FailoverPolicy,
  state: ControlState,
  event: ControlEvent,
  now: Instant,
  rules: Rules = soundRules,
): ControlStep {
  const turn: ControlTurn = {
    policy,
    rules,
    now,
    state: { ...state },
    records: [],
    effects: [],
    due: event.kind === "tick" && now >= state.retryAt,
    because: "",
  };
  const before = state.kept.decision?.epoch;
  take(turn, event);
  goOn(turn, event);
  const after = turn.state.kept.decision?.epoch;
  if (before !== after) {
    turn.state.promises = {};
    turn.state.stoppedAt = null;
  }
  return { state: turn.state, records: turn.records, effects: turn.effects, because: turn.because };
}

function take(turn: ControlTurn, event: ControlEvent): void {
  const { decision } = turn.state.kept;
  switch (event.kind) {
    case "tick":
      return;
    case "message": {
      const { message } = event;
      if (message.kind === "relayed") {
        hear(turn, message.from, message.message, false);
        return;
      }
      if (message.kind !== "relay") {
        hear(turn, event.from, message, true);
        return;
      }
      turn.because = "the control plane passes nothing on";
      return;
    }
    case "routed":
      turn.because = `routed in ${event.epoch}`;
      if (decision?.phase === "verified" && decision.epoch === event.epoch) {
        noteRouted(turn, event.epoch);
      }
      return;
    case "pooler":
      turn.because = `${event.from} looks after no poolers`;
      if (!poolersOf(turn.policy).includes(event.from)) return;
      turn.because = `${event.from}: ${event.report.because}`;
      turn.state.poolers = { ...turn.state.poolers, [event.from]: { at: turn.now, report: event.report } };
      return;
    case "approve": {
      turn.because = `approval by ${event.by} is for ${event.epoch}, which does not await it`;
      if (decision?.epoch !== event.epoch || decision.ask === null) return;
      const { epoch, by, reason, acceptLoss } = event;
      append(turn, { kind: "approved", epoch, by, reason, acceptLoss });
      return;
    }
    case "refuse":
      turn.because = `refusal by ${event.by} is for ${event.epoch}, which does not await approval`;
      if (decision?.epoch === event.epoch && decision.phase === "awaiting-approval") {
        append(turn, { kind: "aborted", epoch: event.epoch, because: `${event.by}: ${event.reason}` });
      }
      return;
    case "stonith":
      turn.because = `nothing of ${event.epoch} waits for a fence`;
      if (
        decision?.epoch === event.epoch &&
        (decision.phase === "chosen" || decision.phase === "promising")
      ) {
        append(turn, { kind: "stonith", epoch: event.epoch, by: event.by });
      }
      return;
    case "switchover":
      beginSwitchover(turn, event.to, event.by);
      return;
    case "force":
      beginForced(turn, event.by, event.reason);
      return;
    case "pause":
      if (!turn.state.kept.paused) append(turn, { kind: "paused", by: event.by });
      return;
    case "resume":
      if (turn.state.kept.paused) append(turn, { kind: "resumed", by: event.by });
      return;
  }
}

function noteRouted(turn: ControlTurn, epoch: number): void {
  const poolers = poolersOf(turn.policy);
  const missing = missingPoolers(turn);
  const led = poolers.filter((pooler) => !missing.includes(pooler));
  append(turn, { kind: "routed", epoch, ...(poolers.length === 0 ? {} : { led, missing }) });
}

function hear(turn: ControlTurn, from: VoterId, message: Direct, direct: boolean): void {
  if (!turn.policy.members.includes(from)) {
    turn.because = `${from} is no member`;
    return;
  }
  switch (message.kind) {
    case "lease-request":
      answerLeaseRequest(turn, from, message);
      return;
    case "state":
    case "promised":
    case "promoted":
    case "verified":
    case "stepped-down":
    case "refused":
      react(turn, from, message, direct);
      return;
    default:
      turn.because = `${message.kind} is not for the control plane`;
  }
}

/** As a voter. */
function answerLeaseRequest(turn: ControlTurn, from: VoterId, request: LeaseRequest): void {
  const { state, policy, rules, now } = turn;
  const { promised } = state.kept;
  if (request.epoch !== promised) {
    turn.because = `${from} asked for the lease of ${request.epoch}, promised is ${promised}`;
    turn.effects.push({ kind: "send", to: from, message: { kind: "lease-refused", promised } });
    return;
  }
  state.grantUntil = Math.max(state.grantUntil, now + grantMs(policy, rules.margin));
  turn.because = `${from} has the lease of the epoch that was promised`;
  const { epoch, round } = request;
  turn.effects.push({ kind: "send", to: from, message: { kind: "lease-granted", epoch, round } });
}

function react(turn: ControlTurn, from: VoterId, report: Reported, direct: boolean): void {
  const { state, now } = turn;
  const { decision } = state.kept;
  const reaction = reactionTo(decision?.phase ?? "idle", report.kind);
  turn.because = `${reaction} from ${from}`;
  if (report.kind === "state") {
    noteState(turn, from, report, direct);
    return;
  }
  if (report.kind === "refused" && report.promised > state.kept.taken) {
    page(turn, `${from} promised ${report.promised}, which was never taken: is this the right log?`);
    return;
  }
  if (reaction === "record-checkpoint" && report.kind === "verified") {
    if (report.epoch === state.kept.primaryEpoch && report.epoch > state.kept.checkpointed) {
      append(turn, { kind: "checkpointed", epoch: report.epoch });
    }
    return;
  }
  if (decision === null || report.epoch !== decision.epoch) return;
  if (reaction === "count-promise" && report.kind === "promised") {
    const { lsn, logEpoch, usable, detached, fenced } = report;
    const grantEndsAt = now + report.grantLeftMs;
    const promise = { node: from, lsn, logEpoch, usable, detached, fenced, grantEndsAt };
    state.promises = { ...state.promises, [from]: promise };
  } else if (reaction === "note-stop" && report.kind === "stepped-down") {
    state.stoppedAt = report.lsn;
  } else if (reaction === "call-off" && report.kind === "refused" && report.order === "step-down") {
    callOff(turn, decision, `${from} would not step down: ${report.because}`);
  } else if (reaction === "record-promotion" && report.kind === "promoted" && from === state.kept.primary) {
    const { epoch, lsn, outcome } = report;
    append(turn, { kind: "promoted", epoch, lsn, outcome });
    if (outcome === "interrupted" && state.kept.decision !== null) {
      close(turn, state.kept.decision, "interrupted");
    }
  } else if (
    reaction === "record-verification" &&
    report.kind === "verified" &&
    from === state.kept.primary
  ) {
    append(turn, { kind: "verified", epoch: report.epoch, lsn: report.lsn });
  }
}

function noteState(turn: ControlTurn, from: VoterId, state: NodeState, direct: boolean): void {
  const { now } = turn;
  const before = turn.state.seen[from];
  const owner = turn.state.seen[turn.state.kept.primary];
  const covers = owner !== undefined && owner.openAt !== null && state.lsn >= owner.state.lsn;
  const never = Number.NEGATIVE_INFINITY;
  turn.state.seen = {
    ...turn.state.seen,
    [from]: {
      at: now,
      directAt: direct ? now : (before?.directAt ?? never),
      streamedAt: state.streaming ? now : (before?.streamedAt ?? never),
      openAt: state.role === "primary" ? now : (before?.openAt ?? null),
      coveredAt: covers ? owner.at : (before?.coveredAt ?? null),
      state,
    },
  };
}

/** A decision is gone on with at every event; what redundancy needs waits for the beat. */
function goOn(turn: ControlTurn, event: ControlEvent): void {
  if (turn.state.kept.decision !== null) {
    const { because } = turn;
    drive(turn);
    if (turn.because === "") turn.because = because;
    const { phase } = turn.state.kept.decision ?? {};
    const open = phase === "verified" || (phase === "promoted" && !turn.rules.rejoinAfterCheckpoint);
    if (open && event.kind === "tick") bringBack(turn);
    steerPoolers(turn);
    return;
  }
  if (event.kind !== "tick") return;
  idle(turn);
  steerPoolers(turn);
}

function idle(turn: ControlTurn): void {
  const { policy, rules, state, now } = turn;
  const { kept } = state;
  reviseHolders(turn);
  endHoldDown(turn);
  bringBack(turn);
  seek(turn);
  noteLetGo(turn);
  if (turn.due && kept.checkpointed < kept.primaryEpoch && fresh(turn, kept.primary)?.role === "primary") {
    const verify = { kind: "verify", epoch: kept.primaryEpoch } as const;
    turn.effects.push({ kind: "send", to: kept.primary, message: verify });
  }
  if (turn.due) state.retryAt = now + policy.retryMs;
  const detection = detectLoss(policy, state.kept, state.seen, state.bootedAt, now);
  turn.because = detection.because;
  if (detection.kind === "healthy") state.paged = null;
  if (detection.kind !== "lost") return;
  const judgement = judgeStart(policy, state.kept, state.seen, detection.because, now, rules);
  if (judgement.kind === "hold") {
    turn.because = judgement.because;
    if (judgement.page) page(turn, judgement.because);
    return;
  }
  const { decision, ask, because } = judgement;
  const rest = restOf(state.kept, now);
  if (rest.kind === "wait") {
    turn.because = `${because}, but ${rest.because}`;
    if (rest.page !== null) page(turn, rest.page);
    return;
  }
  intend(turn, { decision, to: null, trigger: because, ask, approval: null });
}

function intend(
  turn: ControlTurn,
  wish: Pick<
    Extract<ControlStep["records"][number], { kind: "intended" }>,
    "decision" | "to" | "trigger" | "ask" | "approval"
  >,
): void {
  const { kept } = turn.state;
  turn.state.promises = {};
  turn.state.stoppedAt = null;
  const openAt = turn.state.seen[kept.primary]?.openAt ?? null;
  append(turn, { kind: "intended", epoch: kept.taken + 1, from: kept.primary, openAt, ...wish });
  drive(turn);
}

function beginSwitchover(turn: ControlTurn, to: string | null, by: string): void {
  const { kept } = turn.state;
  const able = kept.eligible.members.filter((member) => fresh(turn, member)?.streaming === true);
  const chosen = to === null ? able[0] : able.find((member) => member === to);
  if (kept.decision !== null) turn.because = `no switchover: decision ${kept.decision.epoch} is open`;
  else if (chosen === undefined)
    turn.because = `no switchover: ${to ?? "nobody"} is not relied on and in reach`;
  else {
    intend(turn, {
      decision: "switchover",
      to: chosen,
      trigger: `asked for by ${by}`,
      ask: null,
      approval: null,
    });
  }
}

/** A person wants a failover and accepts what is lost. What is safe is tried first. */
function beginForced(turn: ControlTurn, by: string, reason: string): void {
  const { kept } = turn.state;
  const approval = { by, reason, acceptLoss: true };
  if (kept.decision !== null) {
    turn.because = `not forced: decision ${kept.decision.epoch} is open`;
    return;
  }
  intend(turn, {
    decision: "failover",
    to: null,
    trigger: `forced by ${by}: ${reason}`,
    ask: null,
    approval,
  });
}
