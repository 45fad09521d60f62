import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ObservedState } from "./action.js";
import { driftSince, restsOnState, stateHash } from "./drift.js";
import type { Plan } from "./plans.js";

const plan = (observed: ObservedState): Plan => ({
  action: "netcheck",
  arguments: {},
  observed,
  stateHash: stateHash(observed),
});
const now = (state: ObservedState) => ({ kind: "observed", state }) as const;

describe("whether the world is as a plan saw it", () => {
  test.each([
    { what: "nothing", was: { a: 1, b: { c: [1] } }, is: { b: { c: [1] }, a: 1 }, drift: [] },
    { what: "a value", was: { pid: 7 }, is: { pid: 8 }, drift: ["pid: 7 -> 8"] },
    { what: "a part", was: { a: { b: "x", c: 1 } }, is: { a: { b: "y", c: 1 } }, drift: ['a.b: "x" -> "y"'] },
    { what: "what is gone", was: { a: 1 }, is: {}, drift: ["a: 1 -> nothing"] },
    { what: "what is new", was: {}, is: { a: null }, drift: ["a: nothing -> null"] },
    { what: "a list", was: { a: [1, 2] }, is: { a: [1] }, drift: ["a: [1,2] -> [1]"] },
  ])("$what", ({ was, is, drift }) => {
    expect(driftSince(plan(was), now(is))).toEqual(drift);
  });

  test("what cannot be planned any more has changed, and many changes are counted", () => {
    expect(driftSince(plan({ a: 1 }), { kind: "impossible", because: "it is gone" })).toEqual([
      "it cannot be planned any more: it is gone",
    ]);
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, index]));
    expect(driftSince(plan(many), now({})).at(-1)).toBe("and 30 more");
  });

  test("a plan without a state, or of an older agent, rests on nothing", () => {
    expect(restsOnState(plan({}))).toBe(false);
    expect(restsOnState({ action: "netcheck", arguments: {} })).toBe(false);
    expect(restsOnState(plan({ a: 1 }))).toBe(true);
  });

  test("no change, no drift; a change is always named", () => {
    const state = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 });
    fc.assert(
      fc.property(state, state, (a, b) => {
        const [was, is] = [a, b].map((one) => JSON.parse(JSON.stringify(one)) as ObservedState);
        if (was === undefined || is === undefined) return;
        expect(driftSince(plan(was), now(was))).toEqual([]);
        expect(driftSince(plan(was), now(is)).length > 0).toBe(stateHash(was) !== stateHash(is));
      }),
    );
  });
});
