/**
 * Orders on their way while whoever signs them takes time: sent once they are signed, one after the other for each
 * command. While they cannot be signed they are tried again, until they expire or the stream that they were for is gone.
 * A cancellation needs no signature and does not wait: the agent remembers it, and refuses the order that comes after it.
 */
import { type Duration, SECOND } from "../kernel/time.js";
import type { Clock } from "../platform/system.js";
import type { Command } from "./domain/command.js";

const AGAIN_AFTER: Duration = SECOND;

export interface OnItsWay<T> {
  readonly sign: () => T | Promise<T>;
  /** Whether there is still a point in it. */
  readonly wanted: () => boolean;
  readonly send: (signed: T) => boolean;
}

export class SignThenSend {
  readonly #clock: Pick<Clock, "sleep">;
  readonly #onDelayed: (command: Command, error: unknown) => void;
  /** What goes last for each command. Those that are open are bounded by policy. */
  readonly #last = new Map<string, Promise<void>>();

  /** @param onDelayed told when an order cannot be signed; once for each */
  constructor(clock: Pick<Clock, "sleep">, onDelayed: (command: Command, error: unknown) => void) {
    this.#clock = clock;
    this.#onDelayed = onDelayed;
  }

  /** Whether it was sent, or is on its way. What can be signed at once is sent at once. */
  order<T>(command: Command, order: OnItsWay<T>): boolean {
    if (!this.#last.has(command.id)) {
      const signed = attempt(order.sign);
      if (!(signed instanceof Promise)) return order.send(signed);
      this.#follow(command, () => this.#deliver(command, order, signed));
    } else this.#follow(command, () => this.#deliver(command, order, attempt(order.sign)));
    return true;
  }

  #follow(command: Command, step: () => Promise<void>): void {
    const before = this.#last.get(command.id);
    const done = (before === undefined ? step() : before.then(step)).finally(() => {
      if (this.#last.get(command.id) === done) this.#last.delete(command.id);
    });
    this.#last.set(command.id, done);
  }

  async #deliver<T>(command: Command, { sign, wanted, send }: OnItsWay<T>, first: T | Promise<T>) {
    let signing = first;
    for (let tries = 1; ; tries++) {
      try {
        const signed = await signing;
        if (wanted()) send(signed);
        return;
      } catch (error) {
        if (tries === 1) this.#onDelayed(command, error);
      }
      await this.#clock.sleep(AGAIN_AFTER);
      if (!wanted()) return;
      signing = attempt(sign);
    }
  }
}

/** What is thrown is rejected, so that both ways of failing are one. */
function attempt<T>(sign: () => T | Promise<T>): T | Promise<T> {
  try {
    return sign();
  } catch (error) {
    return Promise.reject(error);
  }
}
