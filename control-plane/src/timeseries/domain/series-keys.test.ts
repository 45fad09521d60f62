import fc from "fast-check";
import { expect, test } from "vitest";
import { SeriesKeys } from "./series-keys.js";

test("keys keep their numbers, whatever comes, goes and grows old; numbers are given out once", () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("key" as const), of: fc.nat(40) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("forget" as const), of: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("age" as const), of: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), of: fc.constant(0) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer(), (steps, seed) => {
      const keys = new SeriesKeys(seed | 0);
      const known = new Map<string, { number: number; young: boolean }>();
      for (const { kind, of } of steps) {
        const key = `k${of}`;
        const mine = known.get(key);
        if (kind === "key") {
          const found = keys.find(key);
          expect(found).toBe(mine?.number);
          const number = found ?? keys.add(key);
          known.set(key, { number, young: true });
          expect(new Set([...known.values()].map((it) => it.number)).size).toBe(known.size);
        } else if (kind === "forget") {
          if (mine === undefined) continue;
          expect(keys.forget(mine.number)).toBe(true);
          expect(keys.forget(mine.number)).toBe(false);
          keys.giveBack(mine.number);
          known.delete(key);
        } else if (kind === "age") {
          const forgotten = keys.age();
          const gone = [...known].filter(([, { young }]) => !young);
          expect([...forgotten].sort()).toEqual(gone.map(([, { number }]) => number).sort());
          for (const [name] of gone) known.delete(name);
          for (const number of forgotten) keys.giveBack(number);
          for (const it of known.values()) it.young = false;
        } else {
          keys.clear();
          known.clear();
        }
        expect(keys.size).toBe(known.size);
      }
    }),
  );
});

test("300,000 keys that differ little have a number each, and none another's", () => {
  const keys = new SeriesKeys(7);
  const key = (index: number) =>
    `\n\bup\n\x10host-${index % 1_000}.example\n${"x".repeat(index % 3)}${index}`;
  for (let index = 0; index < 300_000; index++) {
    expect(keys.find(key(index)) ?? keys.add(key(index))).toBe(index);
  }
  for (let index = 0; index < 300_000; index += 997) expect(keys.find(key(index))).toBe(index);
  expect(keys.find("another")).toBeUndefined();
});

test("a key that was forgotten is not found, and those behind it still are", () => {
  const keys = new SeriesKeys(1);
  for (let index = 0; index < 500; index++) keys.add(`k${index}`);
  for (let index = 0; index < 500; index += 2) keys.forget(index);
  for (let index = 0; index < 500; index++)
    expect(keys.find(`k${index}`)).toBe(index % 2 === 0 ? undefined : index);
});
