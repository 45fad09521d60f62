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
// Places after the name, where the state is the first: fields 14, 15, 22 and 24 of proc(5).
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
const START_TICKS = 19;
const RESIDENT_PAGES = 21;

/**
 * Reads one line of /proc/PID/stat. The name stands in parentheses and may itself hold parentheses, blanks and newlines, so
 * its end is the last one. Undefined when the line is not whole: the process ended while it was read.
 */
export function parseProcessStat(bytes: Buffer, length: number): ProcessStat | undefined {
  const open = bytes.indexOf(OPEN);
  const close = bytes.lastIndexOf(CLOSE, length - 1);
  if (open < 0 || close < open || close >= length) return undefined;
  const words = bytes.toString("latin1", close + 2, length).split(" ", RESIDENT_PAGES + 1);
  if (words.length <= RESIDENT_PAGES) return undefined;
  return {
    name: bytes.toString("utf8", open + 1, close),
    ticks: Number(words[USER_TICKS]) + Number(words[SYSTEM_TICKS]),
    startTicks: Number(words[START_TICKS]),
    residentPages: Number(words[RESIDENT_PAGES]),
  };
}
