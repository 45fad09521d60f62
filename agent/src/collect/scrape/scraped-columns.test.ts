import { expect, test } from "vitest";
import { linesOf } from "../testing/read-out.js";
import { ScrapedColumns } from "./scraped-columns.js";

const labels = { job: "app", instance: "web-1:3000" };

function taken(columns: ScrapedColumns, text: string): string[][] {
  const scraped = columns.take(text, 1);
  if ("because" in scraped) throw new Error(scraped.because);
  return scraped.readings.map(linesOf);
}

test("series get the target's labels; their own of the same name go on as exported_", () => {
  const columns = new ScrapedColumns(labels, 100);
  expect(taken(columns, 'a{job="mine",exported_job="taken",x="1"} 1\nb{instance=""} 2\n')).toEqual([
    [
      'a{exported_exported_job="mine",exported_job="taken",instance="web-1:3000",job="app",x="1"} 1',
      'b{instance="web-1:3000",job="app"} 2',
    ],
  ]);
});

test("another order of lines is the same set", () => {
  const columns = new ScrapedColumns({}, 100);
  const first = columns.take("a 1\nb 2\nc 3\n", 1);
  const second = columns.take("c 6\na 4\nb 5\n", 2);
  if ("because" in first || "because" in second) throw new Error("a fault");
  expect(second.readings.map(linesOf)).toEqual([["a 4", "b 5", "c 6"]]);
  expect(second.readings[0]?.set).toBe(first.readings[0]?.set);
});

test("what goes is marked stale, what comes is appended, what stays keeps its order", () => {
  const columns = new ScrapedColumns({}, 100);
  taken(columns, "a 1\nb 2\nc 3\n");
  expect(taken(columns, "d 9\nc 5\na 4\n")).toEqual([["b stale"], ["a 4", "c 5", "d 9"]]);
  expect(taken(columns, "b 7\nd 8\nc 6\na 1\n")).toEqual([["a 1", "c 6", "d 8", "b 7"]]);
});

test("a target that is gone has all its series marked stale once, and its set again when it is back", () => {
  const columns = new ScrapedColumns({}, 100);
  const first = columns.take("a 1\nb 2\n", 1);
  const gone = columns.gone(2);
  expect(gone === undefined ? [] : linesOf(gone)).toEqual(["a stale", "b stale"]);
  expect(columns.gone(3)).toBeUndefined();
  const back = columns.take("a 1\nb 2\n", 4);
  if ("because" in first || "because" in back) throw new Error("a fault");
  expect(back.readings).toHaveLength(1);
  expect(back.readings[0]?.set).toBe(first.readings[0]?.set);
});

test("what did not come back with the target was marked before and is not again", () => {
  const columns = new ScrapedColumns({}, 100);
  taken(columns, "a 1\nb 2\n");
  columns.gone(2);
  expect(taken(columns, "b 3\n")).toEqual([["b 3"]]);
});

test("a body with a fault is not believed, and the next good one is as if it had not been", () => {
  const columns = new ScrapedColumns({}, 100);
  taken(columns, "a 1\nb 2\n");
  expect(columns.take("a 9\nnew 9\nb x\n", 2)).toEqual({ because: 'line 3: the value is "x"' });
  expect(columns.take('a{b="1" c} 9\n', 2)).toEqual({ because: 'labels at "b=\\"1\\" c"' });
  expect(taken(columns, "new 1\nb 3\na 2\n")).toEqual([["a 2", "b 3", "new 1"]]);
});

test("more samples than the limit fail the whole scrape, exactly as many do not", () => {
  const columns = new ScrapedColumns({}, 2);
  expect(columns.take("a 1\nb 2\nc 3\n", 1)).toEqual({ because: "more than 2 samples (sampleLimit)" });
  expect(taken(columns, "a 1\nb 2\n")).toEqual([["a 1", "b 2"]]);
});

test("of a series that stands there twice, under one text or two, the first counts", () => {
  const columns = new ScrapedColumns({}, 100);
  for (let round = 0; round < 2; round++) {
    const scraped = columns.take('a{x="1"} 1\na{x="1",} 2\na{x="1"} 3\nb 4\n', 1);
    if ("because" in scraped) throw new Error(scraped.because);
    expect(scraped.duplicates).toBe(2);
    expect(scraped.readings.map(linesOf)).toEqual([['a{x="1"} 1', "b 4"]]);
  }
});

test("a target that renames its series at every scrape does not fill memory", () => {
  const columns = new ScrapedColumns({}, 1_000);
  const body = (round: number): string =>
    Array.from({ length: 200 }, (_, i) => `m${i}{id="${round}-${i}"} 1\n`).join("");
  for (let round = 0; round < 50; round++) {
    const readings = taken(columns, body(round));
    expect(readings.at(-1)).toHaveLength(200);
    expect(readings).toHaveLength(round === 0 ? 1 : 2);
  }
});
