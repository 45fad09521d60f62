/** The judge of partitions finds what it looks for. */
import { expect, test } from "vitest";
import { type Acknowledged, judgeWrites, readForks } from "../harness/judge-writes.js";

const row = (
  marker: string,
  member: string,
  timeline: number,
  [sentAt, at]: readonly [number, number],
  position = 0,
): Acknowledged => ({ marker, writer: "w", n: 1, member, timeline, sentAt, at, position });
const forks = new Map([[1, 1_000]]);
const names = (rows: readonly Acknowledged[]) => rows.map(({ marker }) => marker);

test("one after the other is in order", () => {
  const rows = [
    row("a", "db-1", 1, [0, 10]),
    row("b", "db-1", 1, [20, 30]),
    row("c", "db-2", 2, [3_000, 3_030]),
  ];
  const judged = judgeWrites(rows, new Set(["a", "b", "c"]), forks);
  expect(judged).toMatchObject({ acknowledged: 3, longestGapMs: 3_000, dual: [], lost: [], lostBytes: 0 });
  expect(judged.reigns.map(({ member, firstAt, lastAt }) => [member, firstAt, lastAt])).toEqual([
    ["db-1", 10, 30],
    ["db-2", 3_030, 3_030],
  ]);
});

test.each<[string, Acknowledged, readonly string[], readonly string[]]>([
  ["asked for after another began, though it is there", row("x", "db-1", 1, [150, 160]), ["x"], ["x"]],
  ["asked for before and missing", row("x", "db-1", 1, [90, 160], 1_300), [], ["x"]],
  ["asked for before and there: told late", row("x", "db-1", 1, [90, 160]), ["x"], []],
  ["told before the other began and missing: lost, not dual", row("x", "db-1", 1, [10, 20], 1_300), [], []],
  ["a node that has the timeline of another", row("x", "db-1", 2, [10, 20]), ["x"], ["x", "new"]],
])("%s", (_, old, present, dual) => {
  const rows = [old, row("new", "db-2", 2, [95, 100])];
  expect(names(judgeWrites(rows, new Set(["new", ...present]), forks).dual)).toEqual(dual);
});

test("what is lost is measured from where the log was left", () => {
  const rows = [
    row("a", "db-1", 1, [0, 1], 900),
    row("b", "db-1", 1, [1, 2], 1_450),
    row("c", "db-2", 2, [9, 10]),
  ];
  const judged = judgeWrites(rows, new Set(["a", "c"]), forks);
  expect(names(judged.lost)).toEqual(["b"]);
  expect(judged.lostBytes).toBe(450);
  expect(judgeWrites(rows, new Set(["a", "c"]), new Map()).lostBytes).toBe(Number.POSITIVE_INFINITY);
});

test("a history file says where each timeline was left", () => {
  const history = "1\t0/5000110\tno recovery target specified\n\n2\t1/A0\tno recovery target specified\n";
  expect([...readForks(history)]).toEqual([
    [1, 0x5000110],
    [2, 2 ** 32 + 0xa0],
  ]);
});
