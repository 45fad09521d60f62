/**
 * What each report does in each phase of a decision: a table without a hole. A report that has come too late, or was never
 * asked for, is named so and changes nothing.
 */
import type { Phase } from "./decision.js";
import type { Report } from "./messages.js";

export type Reaction =
  /** How a node is, is noted always. */
  | "note-state"
  /** One more promise to the open decision's epoch. */
  | "count-promise"
  /** The old owner has stopped, with all it had. */
  | "note-stop"
  /** Writes down how the promotion ended. */
  | "record-promotion"
  /** Writes down that the new owner was probed and made a checkpoint. */
  | "record-verification"
  /** The same, after the decision that should have waited for it. */
  | "record-checkpoint"
  /** The node to step down will not: nothing is burnt yet, so the switchover is called off. */
  | "call-off"
  /** An order was refused: noted, and asked again. */
  | "note-refusal"
  /** It answers a question that is not open any more. */
  | "too-late"
  /** It answers what nobody asked in this phase. */
  | "not-asked";

export type ReportKind = Report["kind"];
/** `idle`: no decision is open. */
export type ControlPhase = Phase | "idle";

const notYet = { promoted: "not-asked", verified: "not-asked" } as const;
const done = { promised: "too-late", "stepped-down": "too-late" } as const;
const always = { state: "note-state", refused: "note-refusal" } as const;

export const reactions: Readonly<Record<ControlPhase, Readonly<Record<ReportKind, Reaction>>>> = {
  idle: { ...always, ...done, promoted: "too-late", verified: "record-checkpoint" },
  intended: { ...always, ...notYet, promised: "not-asked", "stepped-down": "not-asked" },
  "awaiting-approval": { ...always, ...notYet, promised: "not-asked", "stepped-down": "not-asked" },
  holding: { ...always, ...notYet, promised: "not-asked", "stepped-down": "not-asked" },
  "stepping-down": {
    ...notYet,
    state: "note-state",
    promised: "not-asked",
    "stepped-down": "note-stop",
    refused: "call-off",
  },
  promising: { ...always, ...notYet, promised: "count-promise", "stepped-down": "too-late" },
  chosen: { ...always, ...notYet, promised: "count-promise", "stepped-down": "too-late" },
  fenced: { ...always, ...notYet, ...done },
  promoting: { ...always, ...done, promoted: "record-promotion", verified: "not-asked" },
  promoted: { ...always, ...done, promoted: "too-late", verified: "record-verification" },
  verified: { ...always, ...done, promoted: "too-late", verified: "too-late" },
  routed: { ...always, ...done, promoted: "too-late", verified: "too-late" },
};

export const reactionTo = (phase: ControlPhase, kind: ReportKind): Reaction => reactions[phase][kind];
