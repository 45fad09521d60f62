import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../kernel/time.js";
import { missedSlots, nextSlot, slotOffset } from "./evaluation-slots.js";

describe("the moments at which a group is judged", () => {
  test("lie at one place within each interval, wherever one begins to count", () => {
    fc.assert(
      fc.property(
        fc.nat(10 ** 13),
        fc.integer({ min: 1, max: 3_600_000 }),
        fc.string(),
        (now, interval, name) => {
          const offset = slotOffset({ file: "f", name }, interval);
          const slot = nextSlot(now, interval, offset);
          expect(offset).toBeGreaterThanOrEqual(0);
          expect(offset).toBeLessThan(interval);
          expect(slot).toBeGreaterThan(now);
          expect(slot - now).toBeLessThanOrEqual(interval);
          expect((slot - offset) % interval).toBe(0);
          expect(nextSlot(slot, interval, offset)).toBe(slot + interval);
        },
      ),
    );
  });

  test("differ from group to group, so that not all are judged at once", () => {
    const offsets = Array.from({ length: 100 }, (_, i) =>
      slotOffset({ file: "f", name: `group-${i}` }, MINUTE),
    );
    for (let part = 0; part < 4; part++) {
      const within = offsets.filter((offset) => Math.floor(offset / (15 * SECOND)) === part);
      expect(within.length).toBeGreaterThan(10);
    }
  });

  test.each([
    { case: "the first", last: undefined, now: 100, missed: 0 },
    { case: "on time", last: 0, now: 10, missed: 0 },
    { case: "a little late", last: 0, now: 14, missed: 0 },
    { case: "one was left out", last: 0, now: 20, missed: 1 },
    { case: "the host slept", last: 0, now: 1_000, missed: 99 },
    { case: "the clock was set back", last: 1_000, now: 10, missed: 0 },
  ])("$case: $missed missed", ({ last, now, missed }) => {
    expect(missedSlots(last, now, 10)).toBe(missed);
  });
});
