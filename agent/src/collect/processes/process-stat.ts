import { ByteCursor } from "../host/bytes.js";

/** What /proc/PID/stat says that is of use here. */
export interface ProcessStat {
  readonly name: string;
  /** CPU ticks of 1/100 s since it started, user and system. */
  readonly ticks: number;
  /** When it started, in ticks since boot: with the pid this names a process for ever. */
  readonly startTicks: number;
  readonly residentPages: number;
}

const OPEN = 40;
const CLOSE = 41;

/**
 * Reads one line of /proc/PID/stat. The name stands in parentheses and may itself hold parentheses, blanks and newlines, so
 * its end is the last one. Undefined when the line is not whole: the process ended while it was read.
 */
export function parseProcessStat(bytes: Buffer, length: number): ProcessStat | undefined {
  const open = bytes.indexOf(OPEN);
  const close = bytes.lastIndexOf(CLOSE, length - 1);
  if (open < 0 || close < open || close >= length) return undefined;
  const rest = bytes.subarray(close + 1, length);
  const cursor = new ByteCursor().reset(rest, rest.length);
  // After the name: state, and then numbers from field 4 (parent) on.
  cursor.skipWords(11);
  const user = cursor.number();
  const system = cursor.number();
  cursor.skipWords(6);
  const startTicks = cursor.number();
  cursor.skipWords(1);
  const residentPages = cursor.number();
  if (Number.isNaN(residentPages)) return undefined;
  return { name: bytes.toString("utf8", open + 1, close), ticks: user + system, startTicks, residentPages };
}
