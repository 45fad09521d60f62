import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SECOND } from "../../kernel/time.js";
import { judgeMoved, judgeSteer } from "./judge-steer.js";
import { formatNote, parseNote, type TrafficObservation } from "./observation.js";

const seen = (
  goesTo: string,
  epoch: number | undefined,
  more: Partial<TrafficObservation> = {},
): TrafficObservation => ({
  goesTo: goesTo === "" ? [] : goesTo.split(","),
  ...{ epoch, keepsEpoch: true, hold: 0, elsewhere: undefined, because: "" },
  ...more,
});

describe("an order of epoch 5 to b", () => {
  test.each([
    { stands: seen("a", 4), is: "steer" },
    { stands: seen("a", undefined), is: "steer" },
    { stands: seen("a,b", 5), is: "steer" },
    { stands: seen("", 5), is: "steer" },
    // It is there, and the epoch is not: whoever comes later must find it.
    { stands: seen("b", 4), is: "steer" },
    { stands: seen("b", undefined), is: "steer" },
    { stands: seen("b", 5), is: "there" },
    { stands: seen("a", 5), is: "steer" },
    { stands: seen("b", 6), is: "stale" },
    { stands: seen("a", 6), is: "stale" },
    { stands: seen("b", undefined, { keepsEpoch: false }), is: "there" },
    { stands: seen("a", undefined, { keepsEpoch: false }), is: "steer" },
  ])("is $is when $stands.goesTo in epoch $stands.epoch stands there", ({ stands, is }) => {
    expect(judgeSteer({ to: "b", epoch: 5 }, stands).kind).toBe(is);
  });

  test("never goes over what is later", () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(100), fc.constantFrom("a", "b", ""), (epoch, stands, goes) => {
        const { kind } = judgeSteer({ to: "b", epoch }, seen(goes, stands));
        expect(kind === "stale").toBe(stands > epoch);
      }),
    );
  });
});

describe("after it was steered with a hold of 30 s", () => {
  const order = { to: "b", epoch: 5, steeredAt: 1_000_000, hold: 30 * SECOND };
  test.each([
    { after: 0, stands: seen("b", 5), is: "moving" },
    { after: 30 * SECOND - 1, stands: seen("b", 5), is: "moving" },
    { after: 30 * SECOND, stands: seen("b", 5), is: "moved" },
    { after: 30 * SECOND, stands: seen("b", 5, { elsewhere: 1 }), is: "moving" },
    { after: 30 * SECOND, stands: seen("b", 5, { elsewhere: 0 }), is: "moved" },
    { after: 1, stands: seen("a", 5), is: "lost" },
    { after: 1, stands: seen("b", 6), is: "lost" },
    { after: 1, stands: seen("b", undefined), is: "lost" },
  ])(
    "it is $is after $after ms when $stands.goesTo stands in epoch $stands.epoch",
    ({ after, stands, is }) => {
      expect(judgeMoved(order, stands, order.steeredAt + after).kind).toBe(is);
    },
  );
});

test("the note beside a name is read as it is written, and nobody else's is read", () => {
  fc.assert(
    fc.property(fc.nat(), fc.stringMatching(/^[A-Za-z0-9._-]{1,100}$/), (epoch, to) => {
      expect(parseNote(formatNote({ epoch, to }))).toEqual({ epoch, to });
    }),
  );
  for (const other of [
    "",
    "v=spf1 -all",
    "mainstay epoch=-1 to=a",
    "mainstay epoch=1e3 to=a",
    "mainstay epoch=1 to=",
  ])
    expect(parseNote(other)).toBeUndefined();
});
