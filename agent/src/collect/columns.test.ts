import fc from "fast-check";
import { expect, test } from "vitest";
import { Columns } from "./columns.js";
import { isStale, type Reading } from "./reading.js";
import { makeSeries, seriesKey } from "./series.js";
import { linesOf } from "./testing/read-out.js";

const a = makeSeries("a", { x: "1" }, {});
const b = makeSeries("b", {}, {});
const c = makeSeries("c", {}, {});

function reading(
  columns: Columns,
  timestampMs: number,
  ...samples: [readonly string[], number][]
): Reading[] {
  for (const [series, value] of samples) columns.put(series, value);
  return columns.finish(timestampMs);
}

test("the same series in the same order keep the set, and each reading has an array of its own", () => {
  const columns = new Columns();
  const [first] = reading(columns, 1, [a, 1], [b, 2]);
  const [second] = reading(columns, 2, [a, 3], [b, 4]);
  expect(second?.set).toBe(first?.set);
  expect([...(first?.values ?? [])]).toEqual([1, 2]);
  expect([...(second?.values ?? [])]).toEqual([3, 4]);
});

test("a series that is gone is marked stale in a farewell that has it alone, before the new set", () => {
  const columns = new Columns();
  reading(columns, 1, [a, 1], [b, 2]);
  const readings = reading(columns, 2, [b, 3], [c, 4]);
  expect(readings.map(linesOf)).toEqual([['a{x="1"} stale'], ["b 3", "c 4"]]);
  expect(readings.map(({ timestampMs }) => timestampMs)).toEqual([2, 2]);
});

test("a series whose array was made anew is not gone", () => {
  const columns = new Columns();
  reading(columns, 1, [a, 1], [b, 2]);
  const readings = reading(columns, 2, [makeSeries("a", { x: "1" }, {}), 3], [b, 4]);
  expect(readings.map(linesOf)).toEqual([['a{x="1"} 3', "b 4"]]);
});

test("when all are gone there is a farewell and no empty reading, once", () => {
  const columns = new Columns();
  reading(columns, 1, [a, 1]);
  expect(reading(columns, 2).map(linesOf)).toEqual([['a{x="1"} stale']]);
  expect(reading(columns, 3)).toEqual([]);
});

test("what a failed reader put is taken back", () => {
  const columns = new Columns();
  columns.put(a, 1);
  const before = columns.count;
  columns.put(b, 2);
  columns.backTo(before);
  columns.put(c, 3);
  expect(columns.finish(1).map(linesOf)).toEqual([['a{x="1"} 1', "c 3"]]);
});

test("whatever comes and goes: each reading says what was put, and exactly the gone are marked stale", () => {
  const universe = Array.from({ length: 300 }, (_, i) => makeSeries(`m${i}`, {}, {}));
  const subset = fc.uniqueArray(fc.integer({ min: 0, max: universe.length - 1 }), { maxLength: 300 });
  fc.assert(
    fc.property(fc.array(subset, { minLength: 1, maxLength: 6 }), (rounds) => {
      const columns = new Columns();
      let before = new Set<string>();
      for (const [round, picked] of rounds.entries()) {
        for (const i of picked) columns.put(universe[i] as readonly string[], i * 1_000 + round);
        const readings = columns.finish(round);
        const now = new Set(picked.map((i) => `m${i}`));
        const stale = new Set<string>();
        const live = new Map<string, number>();
        for (const { set, values } of readings) {
          for (const [i, series] of set.series.entries()) {
            if (isStale(values, i)) stale.add(series[1] as string);
            else live.set(series[1] as string, values[i] as number);
          }
        }
        expect(stale).toEqual(new Set([...before].filter((name) => !now.has(name))));
        expect(live).toEqual(new Map(picked.map((i) => [`m${i}`, i * 1_000 + round])));
        before = now;
      }
    }),
    { numRuns: 200 },
  );
});

test("a series is its name, then its labels sorted; own labels win over common ones, empty ones are none", () => {
  const series = makeSeries(
    "up",
    { z: "1", instance: "own", empty: "" },
    { job: "node", instance: "common" },
  );
  expect(series).toEqual(["__name__", "up", "instance", "own", "job", "node", "z", "1"]);
});

test("hostile label values are cut and made fit to be UTF-8 and a key", () => {
  const series = makeSeries("m", { a: "x".repeat(5_000), b: "\ud800\0end" }, {});
  expect(series[3]).toHaveLength(1_024);
  expect(series[5]).toBe("\ufffd\ufffdend");
  expect(seriesKey(makeSeries("m", { a: "b", c: "d" }, {}))).not.toBe(
    seriesKey(makeSeries("m", { a: "b\0c\0d" }, {})),
  );
});
