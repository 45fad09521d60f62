/**
 * A command, from its request to its end.
 *
 *   planning ──► planned ──► awaiting-approval ──► approved ──► sent ──► running ──► succeeded | failed | timed-out
 *    ▲  │  └───────┴──────────────────▲───────────────▲          │                     | interrupted
 *    │  │     (not held)              (policy asks)   (policy allows)
 *    └──│────────────────────────────────────────────────────────┘  the world has changed since the plan
 *       └──► refused | failed | cancelled | expired, as any state before the end may
 *
 * The plan is made by the agent, which looks and touches nothing. `sent` means that whether it has begun is not
 * known; `expired` after `sent` means that it was given up, and the host's own account, should it still come, wins.
 */
import type { Actor } from "../../kernel/actor.js";
import type { Role } from "../../kernel/caller.js";
import type { CommandId, NodeId } from "../../kernel/ids.js";
import type { Instant } from "../../kernel/time.js";
import type { BlastRadius } from "../../topology/domain/find-impact.js";
import type { ApproverRole } from "./policy.js";
import type { Inverse } from "./read-plan.js";

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
  "planned",
] as const;
export type CommandState = (typeof COMMAND_STATES)[number];

/** States that are not yet the end. */
export const OPEN_STATES = [
  "planning",
  "planned",
  "awaiting-approval",
  "approved",
  "sent",
  "running",
] as const;

const ENDS_BY_HOST = ["succeeded", "failed", "timed-out", "cancelled", "interrupted", "refused"] as const;

/** The only moves. `expired`, and `refused` by the host, may be overtaken by what the host says happened. */
const MOVES: Readonly<Record<CommandState, readonly CommandState[]>> = {
  planning: ["planned", "awaiting-approval", "approved", "refused", "failed", "cancelled", "expired"],
  planned: ["awaiting-approval", "approved", "refused", "cancelled", "expired"],
  "awaiting-approval": ["approved", "refused", "cancelled", "expired"],
  approved: ["sent", "awaiting-approval", "refused", "cancelled", "expired"],
  sent: ["planning", "running", ...ENDS_BY_HOST, "expired"],
  running: [...ENDS_BY_HOST, "expired"],
  expired: ["running", ...ENDS_BY_HOST],
  succeeded: [],
  failed: [],
  refused: ["running", "succeeded", "failed", "timed-out", "cancelled", "interrupted"],
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
  /** The name of the rule or freeze that gave the verdict; empty when none matched. */
  readonly rule: string;
  /** How many different people must approve; 0 unless the verdict is ask. */
  readonly approvals: number;
  /** The role each of them must have; admin may always. */
  readonly approver: ApproverRole;
  /** The person behind the requesting MCP client may be the one approver. */
  readonly elicitation: boolean;
  /** Undefined in plans that were made before it was computed. */
  readonly reach: BlastRadius | undefined;
  readonly inverse: Inverse;
  /** What will be different afterwards. */
  readonly effect: string;
  /** SHA-256, hex, over what of the observed world the plan rests on; the plan's own hash where it names nothing. */
  readonly observedHash: string;
  /** What changed since the plan before this one, which the world had outrun. */
  readonly drift: readonly string[];
}

/** One person's yes to a plan. */
export interface Approval {
  readonly actor: Actor;
  readonly at: Instant;
  readonly reason: string;
  /** Confirmed by the person behind the MCP client that requested it. */
  readonly elicited: boolean;
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
  /** The roles that the requester had. */
  readonly requestedRoles: readonly Role[];
  readonly reason: string;
  /** The alert that asked for it; empty otherwise. */
  readonly alertId: string;
  readonly requireApproval: boolean;
  /** Its plan is to be looked at first, even when policy allows it. */
  readonly hold: boolean;
  /** The command that this one undoes; empty otherwise. */
  readonly undoes: string;
  /** The command that undoes this one, the latest; empty when there is none. */
  readonly undoneBy: string;
  readonly traceparent: string;
  readonly requestedAt: Instant;
  readonly changedAt: Instant;
  /** Not to be started after this. */
  readonly expiresAt: Instant;
  readonly timeoutMs: number;
  /** Rises with each decision about this command. */
  readonly generation: number;
  /**
   * Rises each time the world has outrun a plan. To the agent each attempt is a command of its own, whose orders it
   * carries out once; an attempt is followed by another only after the agent has said that it refused the one before.
   */
  readonly attempt: number;
  readonly plan: Plan | undefined;
  /** Who has approved the plan, in order. */
  readonly approvals: readonly Approval[];
  /** The last of them. */
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
  /** Of which attempt it tells. */
  readonly attempt: number;
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
