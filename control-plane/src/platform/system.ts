/**
 * All that is ambient, in one file: the clock, chance, identities and digests. Everything else is told.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { Duration, Instant } from "../kernel/time.js";

/** The time, and waiting for it. */
export interface Clock {
  /** Wall time; may jump when the host's clock is set. */
  now(): Instant;
  /** Milliseconds that only rise, for measuring how long something took. */
  monotonic(): number;
  /** Resolves after `duration`, or at once when `signal` aborts. */
  sleep(duration: Duration, signal?: AbortSignal): Promise<void>;
}

/** Chance and identity. */
export interface Draws {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** `digits` random lower-case hex digits. */
  hex(digits: number): string;
  /** 32 bytes of secret, URL-safe base64. */
  secret(): string;
  /** A new identifier that sorts by time: UUID version 7. */
  id(now: Instant): string;
}

/** The two together. */
export interface System {
  readonly clock: Clock;
  readonly draws: Draws;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (duration, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, duration);
      signal?.addEventListener("abort", done, { once: true });
    }),
};

export const systemDraws: Draws = {
  fraction: () => Math.random(),
  hex: (digits) =>
    randomBytes(Math.ceil(digits / 2))
      .toString("hex")
      .slice(0, digits),
  secret: () => randomBytes(32).toString("base64url"),
  id: (now) => {
    const time = Math.floor(now).toString(16).padStart(12, "0");
    const random = randomUUID();
    return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${random.slice(15)}`;
  },
};

export const system: System = { clock: systemClock, draws: systemDraws };

/** SHA-256 of a text or bytes, as lower-case hex. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
