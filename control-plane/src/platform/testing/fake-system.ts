/** A clock turned by hand, ids that count up, draws the test chose. */
import type { Duration, Instant } from "../../kernel/time.js";
import type { Clock, Draws, System } from "../system.js";

export interface FakeSystem extends System {
  /** `jump`: the clock on the wall is set, and the one that only rises goes on. */
  readonly clock: Clock & { set(now: Instant): void; advance(by: Duration): void; jump(by: Duration): void };
}

export function fakeSystem(
  start: Instant = 1_700_000_000_000,
  fractions: readonly number[] = [0.5],
): FakeSystem {
  let now = start;
  let jumped = 0;
  let count = 0;
  let drawn = 0;
  const sleepers = new Set<{ until: Instant; wake: () => void }>();
  const wakeDue = (): void => {
    for (const sleeper of [...sleepers]) if (sleeper.until <= now) sleeper.wake();
  };
  const draws: Draws = {
    fraction: () => fractions[drawn++ % fractions.length] as number,
    hex: (digits) => (++count).toString(16).padStart(digits, "0").slice(-digits),
    secret: () => `secret-${++count}`,
    id: () => `id-${++count}`,
  };
  return {
    draws,
    clock: {
      now: () => now + jumped,
      monotonic: () => now,
      sleep: (duration, signal) =>
        new Promise((resolve) => {
          const sleeper = {
            until: now + duration,
            wake: () => {
              sleepers.delete(sleeper);
              signal?.removeEventListener("abort", sleeper.wake);
              resolve();
            },
          };
          sleepers.add(sleeper);
          signal?.addEventListener("abort", sleeper.wake, { once: true });
          if (signal?.aborted === true) sleeper.wake();
        }),
      jump: (by) => {
        jumped += by;
      },
      set: (to) => {
        now = to - jumped;
        wakeDue();
      },
      advance: (by) => {
        now += by;
        wakeDue();
      },
    },
  };
}
