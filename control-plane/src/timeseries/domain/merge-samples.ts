import type { ColumnSamples } from "./lane.js";

const NOTHING: ColumnSamples = {
  timestamps: new Float64Array(0),
  values: new Float64Array(0),
  start: 0,
  end: 0,
};

/**
 * Several stretches of one series as one, oldest first. Where two have the same time, the earlier stretch counts.
 * Payloads of NaN stay: whole stretches are copied as bytes, and single values never pass through arithmetic.
 */
export function mergeSamples(pieces: readonly ColumnSamples[]): ColumnSamples {
  const parts = pieces.filter((piece) => piece.start < piece.end);
  if (parts.length <= 1) return parts[0] ?? NOTHING;
  parts.sort((a, b) => (a.timestamps[a.start] as number) - (b.timestamps[b.start] as number));
  return parts.slice(1).reduce(mergeTwo, parts[0] as ColumnSamples);
}

function mergeTwo(a: ColumnSamples, b: ColumnSamples): ColumnSamples {
  const length = a.end - a.start + b.end - b.start;
  const timestamps = new Float64Array(length);
  const values = new Float64Array(length);
  let end = 0;
  const copy = (from: ColumnSamples, start: number, stop: number): void => {
    timestamps.set(from.timestamps.subarray(start, stop), end);
    values.set(from.values.subarray(start, stop), end);
    end += stop - start;
  };
  let i = a.start;
  let j = b.start;
  while (i < a.end && j < b.end) {
    const left = i;
    while (i < a.end && (a.timestamps[i] as number) <= (b.timestamps[j] as number)) i++;
    if (i > left) copy(a, left, i);
    const last = timestamps[end - 1];
    while (j < b.end && b.timestamps[j] === last) j++;
    const right = j;
    while (j < b.end && (i >= a.end || (b.timestamps[j] as number) < (a.timestamps[i] as number))) j++;
    if (j > right) copy(b, right, j);
  }
  if (i < a.end) copy(a, i, a.end);
  if (j < b.end) copy(b, j, b.end);
  return { timestamps, values, start: 0, end };
}
