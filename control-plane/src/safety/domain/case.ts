/** A case: what automatic action could not settle, waiting for a person. */
import type { Actor } from "../../kernel/actor.js";
import type { Instant } from "../../kernel/time.js";

export interface Case {
  readonly id: string;
  /** Node, action and arguments, as {@link ActionQuestion} named them. */
  readonly target: string;
  readonly nodeName: string;
  readonly action: string;
  readonly openedAt: Instant;
  readonly because: string;
  readonly closed:
    | { readonly at: Instant; readonly by: Actor; readonly because: string }
    /** No automatic action is taken on the target while it is open. */
    | undefined;
}
