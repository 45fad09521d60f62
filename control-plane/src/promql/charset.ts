type Range = readonly [number, number];

const LAST_POINT = 0x10ffff;
const NEWLINE = 10;
/** Beyond so many code points a range is not folded one by one; only its ASCII letters are. */
const FOLD_MAX = 4096;

const DIGITS: readonly Range[] = [[48, 57]];
const SPACES: readonly Range[] = [
  [9, 10],
  [12, 13],
  [32, 32],
];
const WORDS: readonly Range[] = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
];

const POSIX: Readonly<Record<string, readonly Range[]>> = {
  alnum: [
    [48, 57],
    [65, 90],
    [97, 122],
  ],
  alpha: [
    [65, 90],
    [97, 122],
  ],
  ascii: [[0, 127]],
  blank: [
    [9, 9],
    [32, 32],
  ],
  cntrl: [
    [0, 31],
    [127, 127],
  ],
  digit: DIGITS,
  graph: [[33, 126]],
  lower: [[97, 122]],
  print: [[32, 126]],
  punct: [
    [33, 47],
    [58, 64],
    [91, 96],
    [123, 126],
  ],
  space: [
    [9, 13],
    [32, 32],
  ],
  upper: [[65, 90]],
  word: WORDS,
  xdigit: [
    [48, 57],
    [65, 70],
    [97, 102],
  ],
};

function foldings(point: number): number[] {
  const char = String.fromCodePoint(point);
  const found: number[] = [];
  for (const form of [char.toLowerCase(), char.toUpperCase(), char.toUpperCase().toLowerCase()]) {
    const other = form.codePointAt(0) as number;
    if (other !== point && String.fromCodePoint(other) === form) found.push(other);
  }
  return found;
}

function normalize(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [low, high] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else merged.push([low, high]);
  }
  return merged;
}

/** A set of code points: ranges, and Unicode properties that are asked one by one. */
export class CharSet {
  static readonly any = new CharSet([[0, LAST_POINT]], []);
  static readonly notNewline = new CharSet(
    [
      [0, NEWLINE - 1],
      [NEWLINE + 1, LAST_POINT],
    ],
    [],
  );

  private constructor(
    private readonly ranges: readonly Range[],
    private readonly tests: readonly ((point: number) => boolean)[],
  ) {}

  /** The points of `ranges`, with `ignoreCase` those too that differ from them by case only. */
  static ofPoints(ranges: readonly Range[], ignoreCase: boolean): CharSet {
    if (!ignoreCase) return new CharSet(normalize(ranges), []);
    const folded: Range[] = [...ranges];
    for (const [low, high] of ranges) {
      for (let point = low; point <= Math.min(high, low + FOLD_MAX, LAST_POINT); point++) {
        for (const other of foldings(point)) folded.push([other, other]);
      }
    }
    return new CharSet(normalize(folded), []);
  }

  static union(first: CharSet, others: readonly CharSet[]): CharSet {
    if (others.length === 0) return first;
    const all = [first, ...others];
    return new CharSet(
      normalize(all.flatMap((set) => set.ranges)),
      all.flatMap((set) => set.tests),
    );
  }

  /** The set of `\d`, `\D`, `\s`, `\S`, `\w` or `\W`. */
  static perl(letter: string): CharSet | undefined {
    const ranges =
      letter === "d" || letter === "D" ? DIGITS : letter === "s" || letter === "S" ? SPACES : WORDS;
    if (!/^[dDsSwW]$/.test(letter)) return undefined;
    const set = new CharSet(ranges, []);
    return letter === letter.toUpperCase() ? set.negate() : set;
  }

  /** The set of `[:name:]`. */
  static posix(name: string): CharSet | undefined {
    const ranges = POSIX[name];
    return ranges === undefined ? undefined : new CharSet(ranges, []);
  }

  /** The points of a Unicode category (`L`, `Lu`) or script (`Greek`), or all others. */
  static unicode(name: string, negated: boolean): CharSet | undefined {
    if (name === "Any") return negated ? CharSet.any.negate() : CharSet.any;
    if (!/^[A-Za-z_]+$/.test(name)) return undefined;
    let property: RegExp;
    try {
      property = new RegExp(name.length <= 2 ? `^\\p{${name}}$` : `^\\p{Script=${name}}$`, "u");
    } catch {
      return undefined;
    }
    return new CharSet([], [(point) => property.test(String.fromCodePoint(point)) !== negated]);
  }

  get isSingle(): boolean {
    const range = this.ranges[0];
    return (
      this.tests.length === 0 && this.ranges.length === 1 && range !== undefined && range[0] === range[1]
    );
  }

  negate(): CharSet {
    if (this.tests.length > 0) return new CharSet([], [(point) => !this.has(point)]);
    const ranges: Range[] = [];
    let next = 0;
    for (const [low, high] of normalize(this.ranges)) {
      if (low > next) ranges.push([next, low - 1]);
      next = high + 1;
    }
    if (next <= LAST_POINT) ranges.push([next, LAST_POINT]);
    return new CharSet(ranges, []);
  }

  has(point: number): boolean {
    for (const [low, high] of this.ranges) {
      if (point < low) break;
      if (point <= high) return true;
    }
    for (const test of this.tests) if (test(point)) return true;
    return false;
  }
}
