import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs } from "./backoff.js";
import { Pace } from "./pace.js";

describe("backoff with full jitter", () => {
  test.each([
    { failures: 0, draw: 0, waits: 0 },
    { failures: 0, draw: 0.999, waits: 999 },
    { failures: 1, draw: 0.5, waits: 1000 },
    { failures: 4, draw: 0.5, waits: 8000 },
    { failures: 5, draw: 0.5, waits: 15_000 },
    { failures: 1000, draw: 0.5, waits: 15_000 },
  ])("after $failures failures and a draw of $draw: $waits ms", ({ failures, draw, waits }) => {
    expect(backoffMs(failures, draw)).toBe(waits);
  });

  test("never exceeds its cap and never falls below nothing", () => {
    fc.assert(
      fc.property(
        fc.nat(100_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, draw) => {
          const ms = backoffMs(failures, draw);
          return ms >= 0 && ms < 30_000;
        },
      ),
    );
  });
});

describe("the pace of a backlog", () => {
  test("over any run of frames no more flows than a burst and the rate allow", () => {
    const step = fc.record({ passMs: fc.nat(500), bytes: fc.integer({ min: 1, max: 5000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const pace = new Pace(10_000);
        let now = 0;
        let sent = 0;
        let largest = 0;
        for (const { passMs, bytes } of steps) {
          now += passMs;
          if (!pace.mayGo(now)) continue;
          pace.spend(bytes, now);
          sent += bytes;
          largest = Math.max(largest, bytes);
        }
        return sent <= 10_000 + (now * 10_000) / 1000 + largest;
      }),
    );
  });

  test("a frame larger than a second's worth goes once, and is waited out afterwards", () => {
    const pace = new Pace(1000);
    expect(pace.mayGo(0)).toBe(true);
    pace.spend(3000, 0);
    expect(pace.mayGo(1900)).toBe(false);
    expect(pace.mayGo(2100)).toBe(true);
  });
});
