/**
 * The decision about some cells of a row whose series do not always come together: those who write from afar send what
 * was read at one time in several parts, and in several streams that overtake each other.
 */
import type { Instant } from "../../kernel/time.js";
import type { Lane } from "./lane.js";
import { type Refusal, verdictCode } from "./refusal.js";

/** Cells of one time: column c has a sample where `absent[c]` is 0. */
export interface Cells {
  readonly timestamp: Instant;
  readonly values: Float64Array;
  readonly halves: Uint32Array;
  /** As long as the lane has columns; set where a cell is not to be appended. */
  readonly absent: Uint8Array;
}

/** A lane that holds samples of a series, and the column there. */
export interface SeriesPlace {
  readonly lane: Lane;
  readonly column: number;
}

export interface CellsJudgement {
  /** Whether what is left in `absent` as 0 becomes a new row. */
  readonly append: boolean;
  /** Columns whose samples are good and belong to a row that has gone by. They are in no count. */
  readonly spilled: readonly number[];
  /** Samples by code of verdict. */
  readonly counts: ReadonlyMap<number, number>;
  /** The first that was refused. */
  readonly refused: { readonly column: number; readonly because: Refusal } | undefined;
}

/** Judges cells for `lane`; those that fill a gap in a row that is there are written to it. */
export function judgeCells(
  lane: Lane,
  cells: Cells,
  refusal: Refusal | undefined,
  placesOf: (series: number) => readonly SeriesPlace[],
): CellsJudgement {
  const { timestamp, halves, absent } = cells;
  const ahead = timestamp > lane.newest;
  const counts = new Map<number, number>();
  const spilled: number[] = [];
  let refused: CellsJudgement["refused"];
  let kept = 0;
  // Nothing that these series have can be as new: the ordinary case.
  const simple = refusal === undefined && ahead && lane.owned === lane.columns;
  for (let column = 0; column < lane.columns; column++) {
    if (absent[column] !== 0) continue;
    if (simple) {
      kept++;
      continue;
    }
    const because = refusal ?? judgeCell(timestamp, halves, column, placesOf(lane.series[column] as number));
    if (because !== undefined) {
      absent[column] = 1;
      counts.set(verdictCode[because], (counts.get(verdictCode[because]) ?? 0) + 1);
      refused ??= { column, because };
    } else if (ahead || lane.fill(timestamp, column, halves, column)) kept++;
    else spilled.push(column);
  }
  if (kept > 0) counts.set(verdictCode.kept, kept);
  return { append: ahead && kept > 0, spilled, counts, refused };
}

function judgeCell(
  timestamp: Instant,
  halves: Uint32Array,
  index: number,
  places: readonly SeriesPlace[],
): Refusal | undefined {
  for (const { lane, column } of places) {
    if (lane.newest < timestamp) continue;
    const { at, row } = lane.newestIn(column);
    if (at < timestamp) continue;
    if (at > timestamp) return "out-of-order";
    return lane.rowEquals(row, column, halves, index) ? "duplicate" : "conflicting-duplicate";
  }
  return undefined;
}
