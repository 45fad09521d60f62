/**
 * States of approvals under way, the same on every replica: sealed with the key that the control plane keeps for all of
 * them, and used once, which it counts in its database.
 */
import type { Rooms } from "../control-plane/client.js";
import { OpsError } from "../errors.js";
import type { System } from "../system.js";
import { open, refusesState, type Subject, seal } from "./sealed-state.js";

/** How long a person may think. */
export const ANSWER_MS = 10 * 60_000;

export class RequestStates {
  readonly #system: System;
  #key: Uint8Array | undefined;

  constructor(system: System) {
    this.#system = system;
  }

  /** A new state for the client to bring back. Throws OpsError when there is no key to be had: nobody is asked then. */
  async give(rooms: Rooms, subject: Subject): Promise<string> {
    const { hex, clock } = this.#system;
    const state = { ...subject, id: hex(32), expiresAt: clock.now() + ANSWER_MS };
    return seal(state, await this.#keyFor(rooms), hex(24));
  }

  /** Takes back a state. Throws FAILED_PRECONDITION for one that is not good for `subject`, has ended or was used. */
  async take(rooms: Rooms, text: string | undefined, subject: Subject): Promise<void> {
    const state = text === undefined ? undefined : open(text, await this.#keyFor(rooms));
    const because = refusesState(state, subject, this.#system.clock.now());
    if (state === undefined || because !== undefined) {
      throw new OpsError("FAILED_PRECONDITION", `nothing was approved: ${because}; call change_apply again`);
    }
    if (!(await rooms.requestStates.use(state.id, state.expiresAt))) {
      throw new OpsError(
        "FAILED_PRECONDITION",
        "nothing was approved by this: the answer was given before, and an answer counts once",
      );
    }
  }

  async #keyFor(rooms: Rooms): Promise<Uint8Array> {
    this.#key ??= await rooms.requestStates.key();
    return this.#key;
  }
}
