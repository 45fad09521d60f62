/** One group's turn, again and again: at once when started, then at its own moments; what was missed is counted. */
import { messageOf } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { LoopStatus } from "../platform/loop.js";
import type { Clock } from "../platform/system.js";
import { missedSlots, nextSlot, slotOffset } from "./domain/evaluation-slots.js";
import type { RuleGroup } from "./domain/rule.js";

export interface GroupFigures {
  readonly iterations: number;
  readonly missed: number;
  /** Seconds the last turn took. */
  readonly lastSeconds: number;
  readonly lastAt: Instant | undefined;
}

export interface GroupLoopOptions {
  readonly group: RuleGroup;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One turn. Throwing is logged and counted, and the loop goes on. */
  readonly run: (group: RuleGroup, now: Instant) => Promise<void>;
}

export class GroupLoop {
  readonly #options: GroupLoopOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #status: LoopStatus;
  #figures: GroupFigures = { iterations: 0, missed: 0, lastSeconds: 0, lastAt: undefined };

  constructor(options: GroupLoopOptions) {
    this.#options = options;
    this.#status = {
      name: `rules ${options.group.name}`,
      interval: options.group.interval,
      lastStartedAt: undefined,
      lastSucceededAt: undefined,
      failuresInRow: 0,
      lastError: undefined,
    };
  }

  get group(): RuleGroup {
    return this.#options.group;
  }

  get status(): LoopStatus {
    return this.#status;
  }

  get figures(): GroupFigures {
    return this.#figures;
  }

  start(): void {
    this.#running ??= this.#beat();
  }

  /** Resolves when the turn under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #beat(): Promise<void> {
    const { clock, group } = this.#options;
    const { interval } = group;
    const offset = slotOffset(group, interval);
    // The first turn does not wait for its slot: what fired before a restart shall be known to fire at once.
    let slot = clock.now();
    while (!this.#stop.signal.aborted) {
      await this.#once(slot);
      const next = nextSlot(slot, interval, offset);
      const now = clock.now();
      // Turns that took longer than the interval, a host that slept, a clock that was set: go on with the current slot.
      slot = now < next && next - now <= interval ? next : nextSlot(now, interval, offset);
      await clock.sleep(slot - now, this.#stop.signal);
    }
  }

  async #once(now: Instant): Promise<void> {
    const { clock, logger, group, run } = this.#options;
    const { iterations, missed, lastAt } = this.#figures;
    const missedNow = missedSlots(lastAt, now, group.interval);
    const started = clock.monotonic();
    this.#status = { ...this.#status, lastStartedAt: now };
    try {
      await run(group, now);
      this.#status = {
        ...this.#status,
        lastSucceededAt: clock.now(),
        failuresInRow: 0,
        lastError: undefined,
      };
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const failuresInRow = this.#status.failuresInRow + 1;
      this.#status = { ...this.#status, failuresInRow, lastError: messageOf(error) };
      if ((failuresInRow & (failuresInRow - 1)) === 0)
        logger.warn("a rule group could not be judged", { group: group.name, failuresInRow }, error);
    } finally {
      this.#figures = {
        iterations: iterations + 1,
        missed: missed + missedNow,
        lastSeconds: (clock.monotonic() - started) / 1_000,
        lastAt: now,
      };
    }
  }
}
