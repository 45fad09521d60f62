import { expect, test } from "vitest";
import { reachOf } from "./wal-files.js";

const SEGMENT = 16 * 1_048_576;
const wal = (...names: readonly string[]) => names.map((name, at) => ({ name, changedAt: at * 1_000 }));
const of = (timeline: number, log: number, within: number): string =>
  [timeline, log, within].map((part) => part.toString(16).toUpperCase().padStart(8, "0")).join("");

test.each([
  { when: "nothing is there", files: wal(), reaches: undefined },
  { when: "the first one is missing", files: wal(of(1, 0, 3)), reaches: undefined },
  { when: "one follows the other", files: wal(of(1, 0, 2), of(1, 0, 3)), reaches: of(1, 0, 3), beyond: 0 },
  {
    when: "one is missing between",
    files: wal(of(1, 0, 2), of(1, 0, 3), of(1, 0, 5), of(1, 0, 6)),
    reaches: of(1, 0, 3),
    beyond: 2,
  },
  {
    when: "a log file of 4 GiB ends",
    files: wal(
      of(1, 0, 2),
      ...[...Array(254).keys()].slice(3).map((n) => of(1, 0, n)),
      of(1, 0, 0xfe),
      of(1, 0, 0xff),
      of(1, 1, 0),
    ),
    reaches: of(1, 1, 0),
    beyond: 0,
  },
  {
    when: "a promotion began another timeline within a segment",
    files: wal(of(1, 0, 2), `${of(1, 0, 3)}.partial`, of(2, 0, 3), of(2, 0, 4)),
    reaches: of(2, 0, 4),
    beyond: 0,
  },
  {
    when: "the last one is still received",
    files: wal(of(1, 0, 2), `${of(1, 0, 3)}.partial`),
    reaches: `${of(1, 0, 3)}.partial`,
    beyond: 0,
  },
  {
    when: "what is still received is of a timeline that others have left",
    files: wal(of(1, 0, 2), of(2, 0, 2), `${of(1, 0, 3)}.partial`),
    reaches: of(2, 0, 2),
    beyond: 0,
  },
  {
    when: "they are compressed, and other files lie beside them",
    files: wal(
      `${of(1, 0, 2)}.gz`,
      `${of(1, 0, 3)}.gz`,
      `${of(1, 0, 2)}.00000028.backup`,
      "00000002.history",
    ),
    reaches: `${of(1, 0, 3)}.gz`,
    beyond: 0,
  },
])("how far a log reaches when $when", ({ files, reaches, beyond }) => {
  const reach = reachOf(files, of(1, 0, 2), SEGMENT);
  expect(reach?.newest.name).toBe(reaches);
  expect(reach?.beyond).toBe(beyond);
});
