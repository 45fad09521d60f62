/** How far a folder of the write-ahead log reaches without a hole. Pure. */

export interface WalFile {
  readonly name: string;
  /** When it last changed, in ms since the epoch. */
  readonly changedAt: number;
}

export interface Reach {
  /** The last file before which nothing is missing. */
  readonly newest: WalFile;
  /** Files beyond a hole: they are there, and nothing can be made of them. */
  readonly beyond: number;
}

/** A whole segment, or one that is still received; a compressed one counts by its name. */
const WAL = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?(\.gz|\.lz4|\.zst)?$/;
const FOUR_GIBIBYTES = 2 ** 32;

/**
 * From `first` (a segment's name: where a base backup begins) on, along the newest timeline of each segment. Undefined when
 * not even that one is there. A segment that is still received counts when it is the last and of the newest timeline.
 */
export function reachOf(files: readonly WalFile[], first: string, segmentBytes: number): Reach | undefined {
  const perLog = FOUR_GIBIBYTES / segmentBytes;
  const start = numberOf(first, perLog);
  if (start === undefined) return undefined;
  const whole = new Map<number, WalFile>();
  const partial = new Map<number, WalFile>();
  let timeline = "";
  for (const file of files) {
    const at = numberOf(file.name, perLog);
    if (at === undefined || at < start) continue;
    const of = file.name.slice(0, 8);
    if (of > timeline) timeline = of;
    const kept = file.name.includes(".partial") ? partial : whole;
    const other = kept.get(at);
    if (other === undefined || other.name < file.name) kept.set(at, file);
  }
  let newest: WalFile | undefined;
  let at = start;
  for (let file = whole.get(at); file !== undefined; file = whole.get(at)) {
    newest = file;
    at += 1;
  }
  const last = partial.get(at);
  if (last?.name.startsWith(timeline) === true) newest = last;
  if (newest === undefined) return undefined;
  const beyond = [...whole.keys()].filter((number) => number > at).length;
  return { newest, beyond };
}

function numberOf(name: string, perLog: number): number | undefined {
  const [, , log, within] = WAL.exec(name) ?? [];
  if (log === undefined || within === undefined) return undefined;
  return Number.parseInt(log, 16) * perLog + Number.parseInt(within, 16);
}
