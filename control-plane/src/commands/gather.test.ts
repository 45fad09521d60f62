import { expect, test } from "vitest";
import { Gather } from "./gather.js";

/** Goes that end when they are told to. */
function gathering(together: number, atOnce: number) {
  const goes: { readonly items: readonly number[]; done(): void; fail(): void }[] = [];
  const gather = new Gather<number, number>({
    together,
    atOnce,
    work: (items) =>
      new Promise((resolve, reject) => {
        goes.push({
          items,
          done: () => resolve(items.map((item) => 10 * item)),
          fail: () => reject(new Error(`not ${items.join(" ")}`)),
        });
      }),
  });
  return { gather, goes, items: () => goes.map((go) => go.items) };
}

const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

test("one goes alone and at once; what comes meanwhile goes together, each with its own answer", async () => {
  const { gather, goes, items } = gathering(3, 1);
  const first = gather.add(1);
  await turns();
  const others = [2, 3, 4, 5].map((item) => gather.add(item));
  await turns();
  expect(items()).toEqual([[1]]);
  goes[0]?.done();
  expect(await first).toBe(10);
  await turns();
  expect(items()).toEqual([[1], [2, 3, 4]]);
  goes[1]?.done();
  await turns();
  goes[2]?.done();
  expect(await Promise.all(others)).toEqual([20, 30, 40, 50]);
});

test("no more goes at a time than allowed, and none is left waiting when all have ended", async () => {
  const { gather, goes, items } = gathering(1, 2);
  const all = [1, 2, 3].map((item) => gather.add(item));
  await turns();
  expect(items()).toEqual([[1], [2]]);
  goes[1]?.done();
  await turns();
  expect(items()).toEqual([[1], [2], [3]]);
  for (const go of goes) go.done();
  expect(await Promise.all(all)).toEqual([10, 20, 30]);
  const later = gather.add(4);
  await turns();
  goes[3]?.done();
  expect(await later).toBe(40);
});

test("what fails together is tried again alone: a fault is told only to the one whose it is", async () => {
  const { gather, goes, items } = gathering(9, 1);
  const all = Promise.allSettled([1, 2, 3].map((item) => gather.add(item)));
  await turns();
  goes[0]?.fail();
  await turns();
  goes[1]?.done();
  await turns();
  goes[2]?.fail();
  await turns();
  goes[3]?.done();
  expect((await all).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(items()).toEqual([[1, 2, 3], [1], [2], [3]]);
});
