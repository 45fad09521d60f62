/** Small translations from the wire that several rooms need. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { cleanLine } from "../clean-text.js";

/** ISO 8601 with milliseconds; undefined when absent or not a time that can be written. */
export function isoOf(time: Timestamp | undefined): string | undefined {
  if (time === undefined) return undefined;
  const ms = Number(time.seconds) * 1_000 + Math.floor(time.nanos / 1e6);
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : undefined;
}

/** A time for the wire. */
export function timestampOf(ms: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1e6) };
}

const NAME_MAX = 120;
const VALUE_MAX = 300;
const PAIRS_MAX = 64;

/** Labels, annotations and the like: cleaned, at most 64, in the order they came. */
export function cleanMap(
  map: Readonly<Record<string, string>>,
  valueMax = VALUE_MAX,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(map)
      .slice(0, PAIRS_MAX)
      .map(([name, value]) => [cleanLine(name, NAME_MAX), cleanLine(value, valueMax)]),
  );
}

/** `cleanLine` for a text that may be absent: undefined when it is empty. */
export function textOf(text: string | undefined, max = VALUE_MAX): string | undefined {
  return text === undefined || text === "" ? undefined : cleanLine(text, max);
}

/** The members that are not undefined. */
export type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Leaves out what is undefined, so that absent means absent. */
export function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** The lower-case name of an enum's value, or "unknown" for one this build does not know. */
export function nameOf(names: Readonly<Record<number, string>>, value: number): string {
  return names[value]?.toLowerCase() ?? "unknown";
}
