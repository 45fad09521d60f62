import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MINUTE } from "../../kernel/time.js";
import { type AlertState, nextAlertState } from "./next-alert-state.js";

const times = { holdFor: 5 * MINUTE, keepFiringFor: 0 };
const inactive: AlertState = { kind: "inactive" };
const pending: AlertState = { kind: "pending", activeAt: 0 };
const firing: AlertState = { kind: "firing", activeAt: 0, firedAt: 5 * MINUTE };
const resolved: AlertState = { kind: "resolved", activeAt: 0, firedAt: 5 * MINUTE, resolvedAt: 6 * MINUTE };

describe("the next state of an alert", () => {
  test.each<{
    from: AlertState;
    when: string;
    holds: boolean;
    at: number;
    keep?: number;
    becomes: AlertState;
  }>([
    {
      from: inactive,
      when: "the condition begins to hold",
      holds: true,
      at: 7,
      becomes: { kind: "pending", activeAt: 7 },
    },
    { from: inactive, when: "the condition does not hold", holds: false, at: 7, becomes: inactive },
    {
      from: pending,
      when: "it has held for 1 ms less than `for`",
      holds: true,
      at: 5 * MINUTE - 1,
      becomes: pending,
    },
    { from: pending, when: "it has held for exactly `for`", holds: true, at: 5 * MINUTE, becomes: firing },
    { from: pending, when: "it ceases to hold", holds: false, at: MINUTE, becomes: inactive },
    { from: firing, when: "it still holds", holds: true, at: 9 * MINUTE, becomes: firing },
    { from: firing, when: "it ceases to hold", holds: false, at: 6 * MINUTE, becomes: resolved },
    {
      from: firing,
      when: "it ceases and keep_firing_for begins",
      holds: false,
      at: 6 * MINUTE,
      keep: MINUTE,
      becomes: { ...firing, keptSince: 6 * MINUTE },
    },
    {
      from: { ...firing, keptSince: 0 },
      when: "keep_firing_for has 1 ms left",
      holds: false,
      at: MINUTE - 1,
      keep: MINUTE,
      becomes: { ...firing, keptSince: 0 },
    },
    {
      from: { ...firing, keptSince: 5 * MINUTE },
      when: "keep_firing_for is over",
      holds: false,
      at: 6 * MINUTE,
      keep: MINUTE,
      becomes: resolved,
    },
    {
      from: { ...firing, keptSince: 0 },
      when: "it holds again while kept",
      holds: true,
      at: 30,
      keep: MINUTE,
      becomes: firing,
    },
    {
      from: resolved,
      when: "it holds anew",
      holds: true,
      at: 8 * MINUTE,
      becomes: { kind: "pending", activeAt: 8 * MINUTE },
    },
  ])("a $from.kind alert is $becomes.kind when $when", ({ from, holds, at, keep, becomes }) => {
    expect(nextAlertState(from, holds, { ...times, keepFiringFor: keep ?? 0 }, at).state).toEqual(becomes);
  });

  test("without `for` it fires at once", () => {
    expect(nextAlertState(inactive, true, { holdFor: 0, keepFiringFor: 0 }, 3).state).toEqual({
      kind: "firing",
      activeAt: 3,
      firedAt: 3,
    });
  });

  test("never fires before `for` has passed since activeAt, and never changes activeAt while active", () => {
    const beat = fc.record({ holds: fc.boolean(), step: fc.integer({ min: 1, max: 10_000 }) });
    fc.assert(
      fc.property(
        fc.array(beat, { maxLength: 60 }),
        fc.nat(30_000),
        fc.nat(30_000),
        (beats, holdFor, keepFiringFor) => {
          let state: AlertState = inactive;
          let now = 0;
          for (const { holds, step } of beats) {
            now += step;
            const next: AlertState = nextAlertState(state, holds, { holdFor, keepFiringFor }, now).state;
            if (next.kind === "firing") expect(next.firedAt - next.activeAt).toBeGreaterThanOrEqual(holdFor);
            const lives = (s: AlertState) => s.kind === "pending" || s.kind === "firing";
            if (lives(state) && lives(next) && "activeAt" in state && "activeAt" in next)
              expect(next.activeAt).toBe(state.activeAt);
            state = next;
          }
        },
      ),
    );
  });
});
