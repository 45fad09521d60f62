import { isStale, type Reading } from "../reading.js";

/** A reading as lines of the exposition format, `stale` for the marker: what a test compares. */
export function linesOf(reading: Reading): string[] {
  return reading.set.series.map((series, i) => {
    const [, name = "", ...labels] = series;
    const pairs: string[] = [];
    for (let at = 0; at < labels.length; at += 2)
      pairs.push(`${labels[at]}=${JSON.stringify(labels[at + 1])}`);
    const value = isStale(reading.values, i) ? "stale" : String(reading.values[i]);
    return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
  });
}

/** All readings by line: series and last value. */
export function valuesOf(readings: readonly Reading[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of readings.flatMap(linesOf)) {
    const at = line.lastIndexOf(" ");
    values.set(line.slice(0, at), line.slice(at + 1));
  }
  return values;
}
