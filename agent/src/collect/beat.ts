import type { CollectClock } from "./ports.js";

/**
 * A reading may be dated by the beat it belongs to when it came at most this much beside it: evenly spaced times
 * compress better, and 10 ms in 15 s is an error of 0.07 % in a rate.
 */
const DATED_BY_BEAT_MS = 10;

/** What a beat tells about itself. */
export interface BeatEvents {
  /** So many beats passed without a reading, because the one before was still going on or the process did not get to run. */
  late(missed: number): void;
  /** The work threw: a fault in the reader's own code, because expected failures are part of the reading. */
  failed(error: unknown): void;
}

/**
 * Calls its work once at the start and then every `intervalMs` on a grid that does not drift. Never twice at once: a
 * beat that falls into a running work is late, counted, and not made up for.
 */
export class Beat {
  readonly #intervalMs: number;
  readonly #clock: CollectClock;
  readonly #work: (timestampMs: number) => void | Promise<void>;
  readonly #events: BeatEvents;
  #cancel: (() => void) | undefined;
  #dueMs = 0;
  #lastTimestampMs: number | undefined;
  #running: Promise<void> | undefined;
  #stopped = true;

  constructor(
    intervalMs: number,
    clock: CollectClock,
    work: (timestampMs: number) => void | Promise<void>,
    events: BeatEvents,
  ) {
    this.#intervalMs = intervalMs;
    this.#clock = clock;
    this.#work = work;
    this.#events = events;
  }

  /** Begins, with the first beat on the next turn. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#dueMs = this.#clock.monotonic();
    this.#wait(0);
  }

  /** Ends: no beat begins any more. Answers when the running work is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#running;
  }

  #wait(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => this.#tick());
  }

  #tick(): void {
    if (this.#stopped) return;
    const now = this.#clock.monotonic();
    // Beats that nobody heard, because the machine slept or the process was stopped.
    const unheard = Math.max(0, Math.floor((now - this.#dueMs) / this.#intervalMs));
    this.#dueMs += (unheard + 1) * this.#intervalMs;
    const missed = unheard + (this.#running === undefined ? 0 : 1);
    if (missed > 0) this.#events.late(missed);
    if (this.#running === undefined) this.#read(unheard);
    // Asked again: the reading itself took time.
    this.#wait(Math.max(0, this.#dueMs - this.#clock.monotonic()));
  }

  #read(unheard: number): void {
    const now = this.#clock.now();
    const expected = (this.#lastTimestampMs ?? Number.NaN) + (unheard + 1) * this.#intervalMs;
    const timestampMs = Math.abs(now - expected) <= DATED_BY_BEAT_MS ? expected : now;
    this.#lastTimestampMs = timestampMs;
    try {
      const result = this.#work(timestampMs);
      if (result === undefined) return;
      this.#running = result
        .catch((error: unknown) => this.#events.failed(error))
        .finally(() => {
          this.#running = undefined;
        });
    } catch (error) {
      this.#events.failed(error);
    }
  }
}
