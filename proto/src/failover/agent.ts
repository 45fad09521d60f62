/**
 * The agent's part of a failover, as one function: what it was, what happened and when, to what it is and what is to be
 * done. It knows no clock, no disk and no network; it never throws.
 */
import {
  noteCover,
  noteExit,
  noteInterruption,
  noteJoin,
  noteProgress,
  notePromotion,
  noteStart,
  noteVerification,
  startStandby,
} from "./agent-database.js";
import {
  answerLeaseRequest,
  askForLease,
  countGrant,
  fenceWithoutLease,
  leaseNeeded,
} from "./agent-lease.js";
import { endDraining, noteDetached, obey, settlePromise } from "./agent-orders.js";
import { type AgentEvent, type AgentKept, type AgentState, type AgentStep, grantMs } from "./agent-state.js";
import { type AgentTurn, command, reportState, send } from "./agent-turn.js";
import type { Direct } from "./messages.js";
import type { FailoverPolicy } from "./policy.js";
import { type Rules, soundRules } from "./rules.js";
import { CONTROL_PLANE, type Instant, type NodeId, type VoterId } from "./words.js";

/** More rounds, and runs, than one process can begin: what answers an earlier process is never taken for this one's. */
const ROUNDS_OF_ONE_BOOT = 2 ** 31;

/**
 * An agent that was started, with what it kept. `boot` is a number that no earlier start of this agent had (a counter
 * it keeps). It closes what may still run, and opens nothing: it may have granted a lease, and may not have one.
 */
export function bootAgent(
  policy: FailoverPolicy,
  node: NodeId,
  kept: AgentKept,
  boot: number,
  now: Instant,
  rules: Rules = soundRules,
): AgentStep {
  const state: AgentTurn["state"] = {
    node,
    kept: rules.keepPromise ? kept : { ...kept, promised: kept.epoch },
    database: "stopping",
    run: boot * ROUNDS_OF_ONE_BOOT,
    lsn: 0,
    streaming: false,
    flushed: {},
    limit: Number.POSITIVE_INFINITY,
    covered: { version: -1, since: 0 },
    heldVersion: -1,
    grantUntil: rules.rememberGrants ? now + grantMs(policy, rules.margin) : 0,
    leaseUntil: 0,
    round: boot * ROUNDS_OF_ONE_BOOT,
    roundSentAt: 0,
    grantedBy: [],
    renewAt: now,
    asking: null,
    owed: null,
    draining: null,
    crashes: [],
    primaryHeardAt: Number.NEGATIVE_INFINITY,
    reportAt: now,
    relay: null,
  };
  const turn: AgentTurn = { policy, rules, now, state, effects: [], because: "started" };
  command(turn, { kind: "kill" });
  if (kept.began > kept.opened && kept.surrendered < kept.began) noteInterruption(turn, kept.began);
  if (!rules.bootFenced && kept.role === "primary") state.leaseUntil = now + policy.leaseMs;
  return { state, effects: turn.effects, because: turn.because };
}

export function stepAgent(
  policy: FailoverPolicy,
  state: AgentState,
  event: AgentEvent,
  now: Instant,
  rules: Rules = soundRules,
): AgentStep {
  const turn: AgentTurn = { policy, rules, now, state: { ...state }, effects: [], because: "" };
  take(turn, event);
  fenceWithoutLease(turn);
  settlePromise(turn);
  return { state: turn.state, effects: turn.effects, because: turn.because };
}

function take(turn: AgentTurn, event: AgentEvent): void {
  if ("run" in event && event.run !== turn.state.run) {
    turn.because = `"${event.kind}" of run ${event.run}, which is over`;
    return;
  }
  switch (event.kind) {
    case "tick":
      onTick(turn);
      return;
    case "message":
      onMessage(turn, event.from, event.message);
      return;
    case "exited":
      noteExit(turn, event.lsn);
      return;
    case "started":
      noteStart(turn, event.as, event.lsn);
      return;
    case "promoted":
      notePromotion(turn, event.epoch, event.lsn);
      return;
    case "detached":
      noteDetached(turn, event.lsn);
      return;
    case "joined":
      noteJoin(turn, event.epoch, event.lsn);
      return;
    case "join-failed":
      if (turn.state.database === "joining") turn.state.database = "stopped";
      turn.because = `could not join in ${event.epoch}`;
      return;
    case "progress":
      noteProgress(turn, event);
      return;
    case "covered":
      noteCover(turn, event.version, event.lsn);
      return;
    case "verified":
      noteVerification(turn, event.epoch, event.lsn);
      return;
  }
}

function onMessage(
  turn: AgentTurn,
  from: VoterId,
  message: Extract<AgentEvent, { kind: "message" }>["message"],
): void {
  if (message.kind === "relay") {
    turn.because = `passes on what ${from} says to ${message.to}`;
    send(turn, message.to, { kind: "relayed", from, message: message.message });
    return;
  }
  if (message.kind !== "relayed") {
    onDirect(turn, from, message);
    return;
  }
  if (message.from !== CONTROL_PLANE) {
    turn.because = `only the control plane's orders are passed on, not those of ${message.from}`;
    return;
  }
  // The way back is the way it came, for as long as a decision takes; what is sent both ways is no harm.
  turn.state.relay = { by: from, until: turn.now + turn.policy.candidateSilentMs };
  onDirect(turn, message.from, message.message);
}

function onDirect(turn: AgentTurn, from: VoterId, message: Direct): void {
  switch (message.kind) {
    case "lease-request":
      answerLeaseRequest(turn, from, message);
      return;
    case "lease-granted":
      countGrant(turn, from, message);
      return;
    case "lease-refused":
      turn.because = `${from} promised ${message.promised}`;
      return;
    case "promise":
    case "promote":
    case "verify":
    case "follow":
    case "step-down":
    case "carry-on":
    case "hold":
      if (from === CONTROL_PLANE) {
        obey(turn, message);
        return;
      }
      turn.because = `${from} may not give orders`;
      return;
    case "state":
    case "promised":
    case "promoted":
    case "verified":
    case "stepped-down":
    case "refused":
      turn.because = "reports are for the control plane";
      return;
  }
}

function onTick(turn: AgentTurn): void {
  const { state, now, policy } = turn;
  turn.because = "nothing is due";
  if (state.database === "stopped" && state.kept.role === "replica" && canIdle(turn)) startStandby(turn);
  // Nobody came to end the switchover: the node still owns its epoch and goes on.
  const { draining } = state;
  const isLate = draining !== null && !draining.calledOff && now - draining.since > policy.stepDownMs;
  if (isLate) endDraining(turn, draining);
  const epoch = leaseNeeded(turn);
  if (epoch !== null && now >= state.renewAt) {
    askForLease(turn, epoch);
    turn.because = `asks for the lease of ${epoch}`;
  }
  if (now >= state.reportAt || missesPrimary(turn)) reportState(turn);
}

/** The owner has become silent since this replica last said that it hears it: whether it is lost may hang on that. */
function missesPrimary({ state, policy, now }: AgentTurn): boolean {
  if (state.kept.role !== "replica") return false;
  const saidAt = state.reportAt - policy.reportMs;
  return saidAt - state.primaryHeardAt < policy.silentMs && now - state.primaryHeardAt >= policy.silentMs;
}

/** A replica runs whenever nothing else is about to happen to it. */
function canIdle(turn: AgentTurn): boolean {
  const { kept, owed, asking } = turn.state;
  return !kept.joining && owed === null && asking === null;
}
