/**
 * All that is ambient, in one file: the clock, chance and digests. Everything else is told.
 */
import { hash, randomBytes } from "node:crypto";

/** The time, and waiting for it. */
export interface Clock {
  /** Wall time in ms since the epoch; may jump when the host's clock is set. */
  now(): number;
  /** Milliseconds that only rise, for measuring how long something took. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface System {
  readonly clock: Clock;
  /** That many random lower-case hex digits. */
  readonly hex: (digits: number) => string;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      signal?.addEventListener("abort", done, { once: true });
    }),
};

export const system: System = {
  clock: systemClock,
  hex: drawHex,
};

/** Chance is drawn ahead, for each draw by itself costs as much as a call's other bookkeeping together. */
const AHEAD_BYTES = 4_096;
let ahead = "";
let drawn = 0;

function drawHex(digits: number): string {
  if (drawn + digits > ahead.length) {
    ahead = randomBytes(Math.max(AHEAD_BYTES, digits)).toString("hex");
    drawn = 0;
  }
  drawn += digits;
  return ahead.slice(drawn - digits, drawn);
}

/** SHA-256 of a text, as lower-case hex. */
export function sha256Hex(text: string): string {
  return hash("sha256", text, "hex");
}
