/** What the control plane does for redundancy: replicas follow the owner, and are relied on once its writes wait for them. */
import { append, type ControlTurn, fresh, order } from "./control-turn.js";
import { holdersOf } from "./holders.js";
import type { NodeId } from "./words.js";

/** D8: who does not follow the owner is told to, once the owner's checkpoint lets a rewind see where they parted. */
export function bringBack(turn: ControlTurn): void {
  const { policy, rules, state } = turn;
  const { primary, primaryEpoch, checkpointed } = state.kept;
  if (!turn.due || (checkpointed < primaryEpoch && rules.rejoinAfterCheckpoint)) return;
  const owner = fresh(turn, primary);
  if (owner?.role !== "primary" || owner.epoch !== primaryEpoch) return;
  for (const member of policy.members) {
    const node = fresh(turn, member);
    if (member === primary || node === null || node.promised > primaryEpoch) continue;
    const follows = node.role === "replica" && node.epoch === primaryEpoch && node.following === primary;
    if (!follows) order(turn, member, { kind: "follow", epoch: primaryEpoch, source: primary });
  }
}

/** The replicas whose log comes in now, or did within `silentMs`. */
function streamingReplicas(turn: ControlTurn): readonly NodeId[] {
  const { policy, state, now } = turn;
  const { primary, primaryEpoch } = state.kept;
  return policy.members.filter((member) => {
    const node = fresh(turn, member);
    if (member === primary || node === null || node.role !== "replica") return false;
    if (node.epoch !== primaryEpoch || node.following !== primary) return false;
    return now - (state.seen[member]?.streamedAt ?? Number.NEGATIVE_INFINITY) < policy.silentMs;
  });
}

/**
 * Who is relied on, in three steps that each survive a crash: propose (written down); the owner lets its writes wait for
 * the old and the new, and says when all it acknowledged fulfils the new; rely on the new (written down). Only then may
 * the owner let go of the old.
 */
export function reviseHolders(turn: ControlTurn): void {
  const { policy, rules, state } = turn;
  const { primary, primaryEpoch, eligible, proposed } = state.kept;
  const owner = fresh(turn, primary);
  if (owner?.role !== "primary" || owner.epoch !== primaryEpoch) return;
  const wanted = streamingReplicas(turn);
  const aim = proposed ?? eligible;
  if (aim.members.length !== wanted.length || !aim.members.every((member) => wanted.includes(member))) {
    append(turn, { kind: "proposed", holders: holdersOf(aim.version + 1, wanted, policy.required) });
  }
  const next = state.kept.proposed;
  if (next !== null && (owner.heldVersion === next.version || !rules.holdBeforeEligible)) {
    append(turn, { kind: "eligible", holders: next });
    order(turn, primary, { kind: "hold", epoch: primaryEpoch, holders: [next] });
    return;
  }
  if (!turn.due) return;
  const due = next === null ? [eligible] : [eligible, next];
  const obeys = owner.holders.length === due.length && owner.holders.at(-1) === due.at(-1)?.version;
  if (!obeys) order(turn, primary, { kind: "hold", epoch: primaryEpoch, holders: due });
}

/** Redundancy is back: a failover would lose no more than any other. */
export function endHoldDown(turn: ControlTurn): void {
  const { kept } = turn.state;
  if (turn.now >= kept.holdDownUntil || kept.eligible.members.length === 0) return;
  append(turn, { kind: "hold-down-over", because: "redundancy is back" });
}
