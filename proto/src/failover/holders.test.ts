import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { askedToKnowAll, heldUpTo, implies, strictest } from "./holders.js";
import type { Holders } from "./words.js";

const nodes = ["a", "b", "c", "d"] as const;
const anyHolders: fc.Arbitrary<Holders> = fc
  .subarray([...nodes])
  .chain((members) =>
    fc
      .integer({ min: members.length === 0 ? 0 : 1, max: members.length })
      .map((required) => ({ version: 1, members, required })),
  );
function subsets(members: readonly string[]): string[][] {
  const sets: string[][] = [[]];
  for (const member of members) sets.push(...sets.map((set) => [...set, member]));
  return sets;
}
const fulfils = (set: readonly string[], holders: Holders): boolean =>
  holders.members.filter((member) => set.includes(member)).length >= holders.required;

describe("holders", () => {
  test("one demand implies another exactly if whatever fulfils it fulfils the other", () => {
    fc.assert(
      fc.property(anyHolders, anyHolders, (one, other) => {
        const always = subsets(one.members)
          .filter((set) => fulfils(set, one))
          .every((set) => fulfils(set, other));
        expect(implies(one, other)).toBe(always);
      }),
    );
  });

  test("the strictest of several fulfils each", () => {
    fc.assert(
      fc.property(fc.array(anyHolders, { minLength: 1, maxLength: 3 }), (several) => {
        for (const set of subsets(nodes)) {
          if (!fulfils(set, strictest(several))) continue;
          for (const holders of several) expect(fulfils(set, holders)).toBe(true);
        }
      }),
    );
  });

  test("of as many as are asked, one has every write that counts", () => {
    fc.assert(
      fc.property(
        anyHolders.filter((holders) => holders.required > 0),
        fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
        (holders, reached) => {
          const flushed = Object.fromEntries(nodes.map((node, index) => [node, reached[index] ?? 0]));
          const counts = heldUpTo(holders, flushed);
          for (const asked of subsets(holders.members)) {
            if (asked.length < askedToKnowAll(holders)) continue;
            expect(Math.max(...asked.map((node) => flushed[node] ?? 0))).toBeGreaterThanOrEqual(counts);
          }
        },
      ),
    );
  });
});
