/** What an agent does when the control plane told it to. Every order may come twice, late, or after a later one. */

import { coverHolders, judgeHeld, openAgain } from "./agent-database.js";
import { askForLease } from "./agent-lease.js";
import { type AgentTurn, command, keep, report, reportState } from "./agent-turn.js";
import type { Order } from "./messages.js";
import type { Epoch } from "./words.js";

type OrderOf<Kind extends Order["kind"]> = Extract<Order, { kind: Kind }>;

function refuse(turn: AgentTurn, order: Order, because: string): void {
  const { promised } = turn.state.kept;
  report(turn, { kind: "refused", order: order.kind, epoch: order.epoch, promised, because });
  turn.because = `refuses to ${order.kind} in ${order.epoch}: ${because}`;
}

export function obey(turn: AgentTurn, order: Order): void {
  switch (order.kind) {
    case "promise":
      promise(turn, order);
      return;
    case "promote":
      promote(turn, order);
      return;
    case "verify":
      verify(turn, order);
      return;
    case "follow":
      follow(turn, order);
      return;
    case "step-down":
      stepDown(turn, order);
      return;
    case "carry-on":
      carryOn(turn, order);
      return;
    case "hold":
      hold(turn, order);
      return;
  }
}

function promise(turn: AgentTurn, order: OrderOf<"promise">): void {
  const { state } = turn;
  const { kept } = state;
  if (order.epoch < kept.promised) {
    refuse(turn, order, `promised ${kept.promised}`);
    return;
  }
  if (order.epoch === kept.promised && kept.epoch === order.epoch) {
    turn.because = `a late promise: epoch ${order.epoch} has its owner`;
    return;
  }
  if (order.epoch === kept.promised && (kept.began === order.epoch || state.asking === order.epoch)) {
    turn.because = `a late promise: is promoting in ${order.epoch}`;
    return;
  }
  if (order.epoch > kept.promised) keep(turn, { promised: order.epoch });
  state.owed = order.epoch;
  state.asking = null;
  state.draining = null;
  turn.because = `promises ${order.epoch}`;
}

/** Brings the database to where the promise wants it, and answers when it is there. Called at the end of each step. */
export function settlePromise(turn: AgentTurn): void {
  const { state, rules } = turn;
  if (state.owed === null) return;
  switch (state.database) {
    case "open":
    case "opening":
    case "promoting":
      state.database = "stopping";
      command(turn, { kind: "kill" });
      turn.because = `closes the database, as it promised ${state.owed}`;
      return;
    case "standby":
      if (state.kept.following === null || !rules.detachOnPromise) {
        answerPromise(turn, state.owed);
        return;
      }
      state.database = "detaching";
      turn.effects.push({ kind: "detach" });
      turn.because = `takes nothing more from its primary, as it promised ${state.owed}`;
      return;
    case "stopped":
    case "joining":
      answerPromise(turn, state.owed);
      return;
    case "starting":
    case "detaching":
    case "stopping":
      return;
  }
}

export function noteDetached(turn: AgentTurn, lsn: number): void {
  const { state } = turn;
  if (state.database !== "detaching") {
    turn.because = `detached while ${state.database}`;
    return;
  }
  state.database = "standby";
  state.streaming = false;
  state.lsn = lsn;
  keep(turn, { following: null });
  turn.because = "takes nothing from its primary any more";
}

function answerPromise(turn: AgentTurn, epoch: Epoch): void {
  const { state, now } = turn;
  const usable = !state.kept.joining && state.database !== "joining";
  // What is stopped takes nothing either; it must not begin to when it is started again.
  if (usable && state.kept.following !== null && turn.rules.detachOnPromise) keep(turn, { following: null });
  state.owed = null;
  report(turn, {
    kind: "promised",
    epoch,
    lsn: state.lsn,
    logEpoch: state.kept.epoch,
    usable,
    detached: usable,
    fenced: true,
    grantLeftMs: Math.max(0, state.grantUntil - now),
  });
}

function promote(turn: AgentTurn, order: OrderOf<"promote">): void {
  const { state, rules, now } = turn;
  const { kept } = state;
  if (order.epoch !== kept.promised && rules.checkEpoch) {
    refuse(turn, order, `promised ${kept.promised}`);
    return;
  }
  if (kept.began >= order.epoch && rules.promoteOnce && rules.checkEpoch) {
    turn.because = `the promotion of ${order.epoch} was begun before`;
    if (state.database === "promoting") return;
    const outcome = kept.opened >= order.epoch ? "open" : "interrupted";
    report(turn, { kind: "promoted", epoch: order.epoch, lsn: state.lsn, outcome });
    return;
  }
  if (kept.joining) {
    refuse(turn, order, "its data is being replaced");
    return;
  }
  const ready = state.database === "stopped" || state.database === "standby";
  if (!ready || (kept.following !== null && rules.detachOnPromise) || state.owed !== null) {
    turn.because = `not ready to promote: the database is ${state.database}`;
    return;
  }
  if (state.asking === order.epoch) {
    turn.because = `is getting the lease of ${order.epoch}`;
    return;
  }
  if (!rules.checkEpoch) keep(turn, { promised: Math.max(kept.promised, order.epoch) });
  state.asking = order.epoch;
  state.leaseUntil = 0;
  state.renewAt = now;
  turn.because = `gets the lease of ${order.epoch} to promote`;
  askForLease(turn, order.epoch);
}

function verify(turn: AgentTurn, order: OrderOf<"verify">): void {
  const { state } = turn;
  if (state.kept.role !== "primary" || state.kept.epoch !== order.epoch || state.database !== "open") {
    refuse(turn, order, `is not open in ${order.epoch}`);
    return;
  }
  turn.effects.push({ kind: "verify", epoch: order.epoch });
  turn.because = "probes, and makes a checkpoint";
}

function follow(turn: AgentTurn, order: OrderOf<"follow">): void {
  const { state } = turn;
  const { kept } = state;
  if (order.epoch < kept.promised) {
    refuse(turn, order, `promised ${kept.promised}`);
    return;
  }
  if (kept.epoch === order.epoch && kept.role === "primary") {
    turn.because = `owns ${order.epoch} itself`;
    return;
  }
  const same = kept.epoch === order.epoch && kept.following === order.source;
  if (same && (!kept.joining || state.database === "joining")) {
    turn.because = `follows ${order.source} as it is`;
    return;
  }
  if (state.asking === order.epoch || kept.began === order.epoch) {
    turn.because = `is promoting in ${order.epoch} itself`;
    return;
  }
  if (order.epoch > kept.promised) {
    keep(turn, { promised: order.epoch });
    state.owed = null;
    state.asking = null;
    state.draining = null;
  }
  if (state.database === "open" || state.database === "opening" || state.database === "promoting") {
    state.database = "stopping";
    command(turn, { kind: "kill" });
    turn.because = "closes the database before it follows another";
    return;
  }
  if (state.database !== "stopped" && state.database !== "standby") {
    turn.because = `cannot follow yet: the database is ${state.database}`;
    return;
  }
  state.database = "joining";
  state.streaming = false;
  keep(turn, { role: "replica", epoch: order.epoch, following: order.source, joining: true });
  // As an owner it ran by its lease; a replica needs none, and one that has run out would end it.
  turn.effects.push({ kind: "deadline", at: Number.POSITIVE_INFINITY });
  command(turn, { kind: "join", epoch: order.epoch, source: order.source });
  turn.because = `becomes a replica of ${order.source}`;
}

/** The epoch is the decision's, which nobody has promised yet: the node keeps its own and its lease meanwhile. */
function stepDown(turn: AgentTurn, order: OrderOf<"step-down">): void {
  const { state, now } = turn;
  const { kept } = state;
  if (state.draining?.epoch === order.epoch) {
    turn.because = "is stepping down";
    if (state.database !== "stopped") return;
    report(turn, { kind: "stepped-down", epoch: order.epoch, lsn: state.lsn });
    return;
  }
  if (order.epoch <= kept.promised || order.epoch <= kept.steppedDown) {
    refuse(turn, order, `it was called off, or ${kept.promised} was promised`);
    return;
  }
  if (kept.role !== "primary" || state.database !== "open") {
    refuse(turn, order, `the database is ${state.database}`);
    return;
  }
  keep(turn, { steppedDown: order.epoch });
  state.draining = { epoch: order.epoch, since: now, calledOff: false };
  state.database = "stopping";
  turn.effects.push({ kind: "drain" });
  turn.because = `steps down for ${order.epoch}`;
  reportState(turn);
}

function carryOn(turn: AgentTurn, order: OrderOf<"carry-on">): void {
  if (order.epoch > turn.state.kept.steppedDown) keep(turn, { steppedDown: order.epoch });
  const { draining } = turn.state;
  if (draining === null || draining.calledOff || draining.epoch > order.epoch) {
    turn.because = "is not stepping down";
    return;
  }
  endDraining(turn, draining);
}

/** Back to where it was. A shutdown cannot be taken back: it is cut short, and the database started again. */
export function endDraining(turn: AgentTurn, draining: NonNullable<AgentTurn["state"]["draining"]>): void {
  const { state } = turn;
  turn.because = "carries on as the primary";
  if (state.database === "stopping") {
    // Until it has ended this node is neither closed for good nor without a lease: nobody need take its place.
    state.draining = { ...draining, calledOff: true };
    command(turn, { kind: "kill" });
    return;
  }
  state.draining = null;
  if (state.database === "stopped") openAgain(turn);
}

function hold(turn: AgentTurn, order: OrderOf<"hold">): void {
  const { state, rules } = turn;
  const { kept } = state;
  if (kept.role !== "primary" || kept.epoch !== order.epoch || kept.promised !== order.epoch) {
    refuse(turn, order, `does not own ${order.epoch}`);
    return;
  }
  const newest = order.holders.at(-1)?.version ?? -1;
  const obeyed = kept.holders.at(-1)?.version ?? -1;
  if (newest < obeyed) {
    refuse(turn, order, `obeys holders ${obeyed}`);
    return;
  }
  if (newest === obeyed && order.holders.length >= kept.holders.length) {
    turn.because = `obeys holders ${newest} already`;
    return;
  }
  const holders = rules.ineligibleBeforeLetGo ? order.holders : order.holders.slice(-1);
  keep(turn, { holders });
  // A database that is starting is told when it has started.
  if (state.database === "open") coverHolders(turn);
  turn.because = `lets writes wait for holders ${newest}`;
  if (!rules.holdBeforeEligible) judgeHeld(turn);
}
