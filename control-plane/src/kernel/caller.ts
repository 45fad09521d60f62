import type { Actor } from "./actor.js";

/** What a principal may do; see access/domain/permit.ts for what each may. */
export type Role = "viewer" | "operator" | "approver" | "admin" | "delegate";

/** Who calls an operator method. */
export interface Caller {
  readonly actor: Actor;
  readonly roles: readonly Role[];
  /** The token that was shown; never its text. */
  readonly tokenId: string;
}
