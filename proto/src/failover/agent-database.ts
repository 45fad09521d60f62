/** What an agent does when its database did something. */
import { roleOf } from "./agent-state.js";
import { type AgentTurn, command, keep, report, reportState } from "./agent-turn.js";
import { heldUpTo, nobody, strictest } from "./holders.js";
import type { Epoch, Lsn } from "./words.js";

/** What an asynchronous primary may acknowledge up to. */
export function limitOf(turn: AgentTurn): Lsn {
  const { state, policy, rules } = turn;
  if (policy.mode === "synchronous" || !rules.limitByRpo) return Number.POSITIVE_INFINITY;
  return heldUpTo(strictest(state.kept.holders), state.flushed) + policy.rpoBytes;
}

/** The database has ended, by itself or because it was told to. */
export function noteExit(turn: AgentTurn, lsn: Lsn): void {
  const { state, now } = turn;
  const was = state.database;
  state.database = "stopped";
  state.streaming = false;
  if (was !== "joining") state.lsn = Math.max(lsn, 0);
  turn.because = "the database has ended";
  const { began, opened, surrendered } = state.kept;
  if (began > opened && surrendered < began) {
    noteInterruption(turn, began);
    return;
  }
  if (was === "joining" || state.kept.joining) return;
  if (state.kept.role === "replica") {
    if (state.owed === null && state.asking === null) startStandby(turn);
    return;
  }
  if (state.owed !== null || state.kept.promised !== state.kept.epoch) return;
  if (state.draining?.calledOff === false) {
    report(turn, { kind: "stepped-down", epoch: state.draining.epoch, lsn: state.lsn });
    turn.because = "stopped for the switchover";
    return;
  }
  state.draining = null;
  if (was === "open" || was === "opening") {
    state.crashes = [...state.crashes.filter((at) => now - at < turn.policy.crashWindowMs), now];
  }
  openAgain(turn);
}

/** Within its lease a primary starts again where it was; who crashes too often gives its epoch up. */
export function openAgain(turn: AgentTurn): void {
  const { state, now, policy } = turn;
  if (state.crashes.length >= policy.crashesMax) {
    keep(turn, { surrendered: state.kept.epoch });
    turn.because = `crash ${state.crashes.length} within ${policy.crashWindowMs} ms: gives its epoch up`;
    reportState(turn);
    return;
  }
  if (state.kept.surrendered >= state.kept.epoch || now >= state.leaseUntil) {
    turn.because = "the database has ended, and there is no lease to start it again";
    reportState(turn);
    return;
  }
  state.database = "opening";
  const holders = strictest(state.kept.holders);
  // What replicas had said before the crash was true and can only have grown.
  state.limit = limitOf(turn);
  turn.effects.push({ kind: "deadline", at: state.leaseUntil });
  command(turn, { kind: "start", as: "primary", holders, limit: state.limit });
  turn.because = "starts again within its lease";
}

/** Lets the database wait for the holders, whatever it waited for before. */
export function coverHolders(turn: AgentTurn): void {
  turn.state.limit = limitOf(turn);
  turn.effects.push(
    { kind: "limit", upTo: turn.state.limit },
    { kind: "cover", holders: strictest(turn.state.kept.holders) },
  );
}

export function startStandby(turn: AgentTurn): void {
  turn.state.database = "starting";
  turn.effects.push({ kind: "deadline", at: Number.POSITIVE_INFINITY });
  command(turn, { kind: "start", as: "standby", following: turn.state.kept.following });
}

/** A promotion that was begun and not seen to end: the node may hold writes of that epoch, and opens no more in it. */
export function noteInterruption(turn: AgentTurn, epoch: Epoch): void {
  turn.state.covered = { version: -1, since: 0 };
  keep(turn, { role: "primary", epoch, surrendered: epoch, following: null, holders: [nobody(0)] });
  report(turn, { kind: "promoted", epoch, lsn: turn.state.lsn, outcome: "interrupted" });
  turn.because = `the promotion of ${epoch} was interrupted`;
}

export function noteStart(turn: AgentTurn, as: "primary" | "standby", lsn: Lsn): void {
  const { state } = turn;
  state.lsn = lsn;
  if (as === "primary" && state.database === "opening") {
    state.database = "open";
    // It was started with the holders of then; they may have changed while it started.
    coverHolders(turn);
    turn.because = "open again";
    reportState(turn);
    return;
  }
  if (as === "standby" && state.database === "starting") {
    state.database = "standby";
    turn.because = "runs as a standby";
    return;
  }
  turn.because = `started as ${as} while ${state.database}`;
}

export function notePromotion(turn: AgentTurn, epoch: Epoch, lsn: Lsn): void {
  const { state } = turn;
  if (state.database !== "promoting" || state.kept.began !== epoch) {
    turn.because = `promoted in ${epoch} while ${state.database}`;
    return;
  }
  state.database = "open";
  state.lsn = lsn;
  state.flushed = {};
  state.crashes = [];
  state.limit = Number.POSITIVE_INFINITY;
  state.covered = { version: 0, since: lsn };
  state.heldVersion = -1;
  keep(turn, { role: "primary", epoch, opened: epoch, following: null, holders: [nobody(0)] });
  report(turn, { kind: "promoted", epoch, lsn, outcome: "open" });
  turn.because = `open for writes in ${epoch}`;
}

export function noteJoin(turn: AgentTurn, epoch: Epoch, lsn: Lsn): void {
  const { state } = turn;
  if (state.database !== "joining" || state.kept.epoch !== epoch) {
    turn.because = `joined in ${epoch} while ${state.database}`;
    return;
  }
  state.lsn = lsn;
  keep(turn, { joining: false });
  turn.because = `follows the owner of ${epoch}`;
  if (state.kept.promised > epoch) {
    // It promised meanwhile: it must not confirm anything to the old owner.
    state.database = "detaching";
    turn.effects.push({ kind: "detach" });
    return;
  }
  state.database = "standby";
  reportState(turn);
}

export function noteProgress(
  turn: AgentTurn,
  event: { readonly lsn: Lsn; readonly flushed: Readonly<Record<string, Lsn>>; readonly streaming: boolean },
): void {
  const { state } = turn;
  state.lsn = event.lsn;
  turn.because = "noted how far the log is";
  if (state.kept.role === "replica") {
    const changed = state.streaming !== event.streaming;
    state.streaming = event.streaming;
    if (changed) reportState(turn);
    return;
  }
  state.flushed = event.flushed;
  if (state.database !== "open") return;
  const limit = limitOf(turn);
  if (limit !== state.limit) {
    state.limit = limit;
    turn.effects.push({ kind: "limit", upTo: limit });
  }
  judgeHeld(turn);
}

/** The newest holders hold all that was acknowledged before they were waited for; what came since, waited. */
export function judgeHeld(turn: AgentTurn): void {
  const { state, policy, rules, now } = turn;
  const newest = state.kept.holders.at(-1);
  if (newest === undefined || state.heldVersion >= newest.version || roleOf(state, now) !== "primary") return;
  if (state.covered.version < newest.version && rules.holdBeforeEligible) return;
  const held = heldUpTo(newest, state.flushed);
  const mayLack = policy.mode === "synchronous" ? 0 : policy.rpoBytes;
  const enough = held + mayLack >= state.covered.since;
  if (!enough && rules.holdBeforeEligible) return;
  state.heldVersion = newest.version;
  turn.because = `all that was acknowledged fulfils holders ${newest.version}`;
  reportState(turn);
}

export function noteCover(turn: AgentTurn, version: number, lsn: Lsn): void {
  if (version <= turn.state.covered.version) return;
  turn.state.covered = { version, since: lsn };
  turn.because = `the database waits for holders ${version}`;
  judgeHeld(turn);
}

export function noteVerification(turn: AgentTurn, epoch: Epoch, lsn: Lsn): void {
  turn.because = `probed, and a checkpoint was made in ${epoch}`;
  report(turn, { kind: "verified", epoch, lsn });
}
