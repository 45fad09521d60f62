/** All that is ambient in the agent, in one file: the clock, timers, chance. Everything else is told. */
import { randomBytes, randomUUID } from "node:crypto";
import { uptime } from "node:os";

/** The time. */
export interface Clock {
  /** Wall time in ms since the epoch; may jump when the host's clock is set. */
  now(): number;
  /** Milliseconds that only rise, for measuring how long something took. */
  monotonic(): number;
}

/** Waiting. None of these keeps the process alive by itself unless `sleep` is awaited. */
export interface Timers {
  /** Resolves after `ms`, or at once when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `act` once after `ms`; the answer takes the call back. */
  after(ms: number, act: () => void): () => void;
  /** Calls `act` every `ms`; the answer ends it. */
  every(ms: number, act: () => void): () => void;
}

/** Chance and identity. */
export interface Draws {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** A random identifier. */
  id(): string;
  /** 32 random bytes as URL-safe base64. */
  secret(): string;
}

/** The most by which the time since the host was started was seen to be ahead of CLOCK_MONOTONIC. */
let sleptMs = 0;

/**
 * CLOCK_BOOTTIME in ms, which every process of the host reads the same, within 10 ms, unlike {@link Clock.monotonic}: for a
 * deadline that is given to another process. It goes on while the host is suspended; it knows nothing of a virtual machine
 * whose clocks were all stopped.
 */
export const hostMonotonic = (): number => {
  // In this order: whoever is interrupted between the two takes the host for having slept less, never more.
  const sinceBootMs = uptime() * 1_000;
  const awakeMs = Number(process.hrtime.bigint()) / 1e6;
  // Without sleep the two are one clock, of which the first is told in hundredths of a second.
  sleptMs = Math.max(sleptMs, sinceBootMs - awakeMs);
  return awakeMs + sleptMs;
};

/** The three together. */
export interface System {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly draws: Draws;
}

/** What the machine gives. */
export const realSystem: System = {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  timers: {
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const done = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal?.addEventListener("abort", done, { once: true });
      }),
    after: (ms, act) => {
      const timer = setTimeout(act, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
    every: (ms, act) => {
      const timer = setInterval(act, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
  },
  draws: {
    fraction: () => Math.random(),
    id: () => randomUUID(),
    secret: () => randomBytes(32).toString("base64url"),
  },
};
