/** What clients were told, judged: how long none was told anything, whether two nodes acknowledged, and what is missing. */

/** One row that a client was told is there for good. Times are ms of one clock, positions are bytes of the log. */
export interface Acknowledged {
  /** Its name in the table: by whom, through whom, and a number that rises. */
  readonly marker: string;
  readonly writer: string;
  readonly n: number;
  /** Who acknowledged it, and on which timeline: each promotion begins another. */
  readonly member: string;
  readonly timeline: number;
  readonly sentAt: number;
  readonly at: number;
  /** Where the log was when the row was written, before its commit. */
  readonly position: number;
}

/** One node's time as the one who acknowledges, as clients saw it. */
export interface Reign {
  readonly member: string;
  readonly timeline: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface WritesJudgement {
  readonly acknowledged: number;
  /** The longest time in which no client was told anything. */
  readonly longestGapMs: number;
  /** In the order of their timelines. */
  readonly reigns: readonly Reign[];
  /**
   * Rows that a node acknowledged though a later one had begun to: asked for after that, or missing. One that was asked
   * for before and is there was only told late. Two nodes on one timeline are wrong with all they say.
   */
  readonly dual: readonly Acknowledged[];
  /** Acknowledged and not there. */
  readonly lost: readonly Acknowledged[];
  /** How much of the log the furthest lost row lies behind the end of what was kept; 0 when none is lost. */
  readonly lostBytes: number;
}

/** `present`: the markers in the table now. `forks`: where the log that is kept left each timeline before its own. */
export function judgeWrites(
  acknowledged: readonly Acknowledged[],
  present: ReadonlySet<string>,
  forks: ReadonlyMap<number, number>,
): WritesJudgement {
  const inOrder = [...acknowledged].sort((a, b) => a.at - b.at);
  let longestGapMs = 0;
  inOrder.forEach((one, index) => {
    const before = inOrder[index - 1];
    if (before !== undefined) longestGapMs = Math.max(longestGapMs, one.at - before.at);
  });
  const reigns = reignsOf(inOrder);
  const dual = inOrder.filter((one) =>
    reigns.some(
      ({ member, timeline, firstAt }) =>
        (timeline === one.timeline && member !== one.member) ||
        (timeline > one.timeline && firstAt < one.at && (firstAt < one.sentAt || !present.has(one.marker))),
    ),
  );
  const lost = inOrder.filter(({ marker }) => !present.has(marker));
  // A timeline that what is kept never had is lost from its beginning.
  const lostBytes = lost.reduce(
    (most, { timeline, position }) =>
      Math.max(most, position - (forks.get(timeline) ?? Number.NEGATIVE_INFINITY)),
    0,
  );
  return { acknowledged: inOrder.length, longestGapMs, reigns, dual, lost, lostBytes };
}

function reignsOf(inOrder: readonly Acknowledged[]): readonly Reign[] {
  const reigns = new Map<string, Reign>();
  for (const { member, timeline, at } of inOrder) {
    const key = `${timeline}/${member}`;
    const known = reigns.get(key);
    reigns.set(key, { member, timeline, firstAt: known?.firstAt ?? at, lastAt: at });
  }
  return [...reigns.values()].sort((a, b) => a.timeline - b.timeline || a.firstAt - b.firstAt);
}

/** Reads a timeline's history file: where each earlier timeline was left. */
export function readForks(history: string): ReadonlyMap<number, number> {
  const forks = new Map<number, number>();
  for (const line of history.split("\n")) {
    const [, timeline, high = "", low = ""] = /^\s*(\d+)\t([0-9A-F]+)\/([0-9A-F]+)/.exec(line) ?? [];
    if (timeline === undefined) continue;
    forks.set(Number(timeline), Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16));
  }
  return forks;
}
