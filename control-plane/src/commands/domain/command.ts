/**
 * A command, from its request to its end.
 *
 *   planning ──► awaiting-approval ──► approved ──► sent ──► running ──► succeeded | failed | timed-out | interrupted
 *       │  └──────────────────────────────▲  (policy allows)
 *       └──► refused | failed | cancelled | expired, as any state before the end may
 *
 * The plan is made by the agent, which looks and touches nothing. `sent` means that whether it has begun is not
 * known; `expired` after `sent` means that it was given up, and the host's own account, should it still come, wins.
 */
import type { Actor } from "../../kernel/actor.js";
import type { CommandId, NodeId } from "../../kernel/ids.js";
import type { Instant } from "../../kernel/time.js";

export const COMMAND_STATES = [
  "planning",
  "awaiting-approval",
  "approved",
  "sent",
  "running",
  "succeeded",
  "failed",
  "refused",
  "cancelled",
  "timed-out",
  "expired",
  "interrupted",
] as const;
export type CommandState = (typeof COMMAND_STATES)[number];

/** States that are not yet the end. */
export const OPEN_STATES = ["planning", "awaiting-approval", "approved", "sent", "running"] as const;

const ENDS_BY_HOST = ["succeeded", "failed", "timed-out", "cancelled", "interrupted", "refused"] as const;

/** The only moves. `expired` and `cancelled` may be overtaken by what the host says happened. */
const MOVES: Readonly<Record<CommandState, readonly CommandState[]>> = {
  planning: ["awaiting-approval", "approved", "refused", "failed", "cancelled", "expired"],
  "awaiting-approval": ["approved", "refused", "cancelled", "expired"],
  approved: ["sent", "cancelled", "expired"],
  sent: ["running", ...ENDS_BY_HOST, "expired"],
  running: [...ENDS_BY_HOST, "expired"],
  expired: ["running", ...ENDS_BY_HOST],
  succeeded: [],
  failed: [],
  refused: [],
  cancelled: [],
  "timed-out": [],
  interrupted: [],
};

export function mayMove(from: CommandState, to: CommandState): boolean {
  return MOVES[from].includes(to);
}

export function isOpen(state: CommandState): boolean {
  return (OPEN_STATES as readonly CommandState[]).includes(state);
}

export type Verdict = "allow" | "ask" | "deny";

/** What would be done, as the agent found it, and what policy says to it. */
export interface Plan {
  /** SHA-256, hex; an approval and the run name it. */
  readonly hash: string;
  readonly summary: string;
  /** The things concerned, as JSON text. */
  readonly json: string;
  readonly verdict: Verdict;
  /** The policy rule that gave the verdict. */
  readonly verdictBecause: string;
  readonly madeAt: Instant;
}

export type OrderMode = "preview" | "run";

export interface Command {
  readonly id: CommandId;
  readonly nodeId: NodeId;
  readonly nodeName: string;
  readonly action: string;
  /** A JSON object, canonical. */
  readonly argumentsJson: string;
  readonly state: CommandState;
  readonly because: string;
  readonly requestedBy: Actor;
  readonly reason: string;
  /** The alert that asked for it; empty otherwise. */
  readonly alertId: string;
  readonly requireApproval: boolean;
  readonly traceparent: string;
  readonly requestedAt: Instant;
  readonly changedAt: Instant;
  /** Not to be started after this. */
  readonly expiresAt: Instant;
  readonly timeoutMs: number;
  /** Rises with each decision about this command. */
  readonly generation: number;
  readonly plan: Plan | undefined;
  readonly approvedBy: Actor | undefined;
  /** Set when someone asked to stop it. */
  readonly cancelBecause: string | undefined;
  readonly exitCode: number;
  readonly summary: string;
  readonly resultJson: string;
  /** Whether it helped: "" when nobody asked, else pending, cleared or not-cleared. */
  readonly verification: Verification;
  readonly sentSession: number | undefined;
  readonly previewSequence: number;
  readonly runSequence: number;
}

export type Verification = "" | "pending" | "cleared" | "not-cleared";

/** What an agent says about a command; texts are cleaned and bounded at the door. */
export interface CommandEvent {
  readonly commandId: CommandId;
  /** 1 for the first of its mode. */
  readonly sequence: number;
  readonly at: Instant;
  readonly mode: OrderMode;
  readonly what:
    | { readonly kind: "accepted" }
    | { readonly kind: "started" }
    | OutputEvent
    | {
        readonly kind: "finished";
        readonly outcome: "succeeded" | "failed" | "timed-out" | "cancelled";
        readonly exitCode: number;
        readonly summary: string;
        readonly resultJson: string;
        readonly planHash: string;
      }
    | { readonly kind: "refused"; readonly because: string; readonly detail: string }
    | { readonly kind: "interrupted"; readonly detail: string };
}

export interface OutputEvent {
  readonly kind: "output";
  readonly stream: "stdout" | "stderr";
  readonly offset: number;
  readonly skippedBytes: number;
  readonly data: Uint8Array;
}
