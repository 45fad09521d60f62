import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOUR, MINUTE } from "../../kernel/time.js";
import { isStaleAt, markStaleAt, type SeriesSamples } from "../../promql/series-source.js";
import { DEFAULT_SERIES_LIMITS, DEFAULT_TIME_LIMITS } from "./accept-samples.js";
import { HotWindow } from "./hot-window.js";
import type { Layout } from "./layout.js";
import { VERDICTS } from "./refusal.js";

const T0 = 1_800_000_000_000;
const EVERYTHING = { name: "__name__", op: "=~", value: ".+" } as const;

function windowOf(nodeSeriesMax = 20_000) {
  const window = new HotWindow({ seriesLimits: DEFAULT_SERIES_LIMITS, timeLimits: DEFAULT_TIME_LIMITS });
  return { window, owner: window.addOwner(nodeSeriesMax) };
}

const named = (name: string, ...rest: string[]): string[] => ["__name__", name, ...rest];

function open(window: HotWindow, owner: number, names: readonly string[][]): Layout {
  return window.openLayout(
    owner,
    names.map((labels) => window.hold(owner, labels)),
  );
}

function read(series: readonly SeriesSamples[]): Record<string, [number, number][]> {
  return Object.fromEntries(
    series.map(({ labels, timestamps, values, start, end }) => [
      JSON.stringify(labels),
      Array.from({ length: end - start }, (_, i): [number, number] => [
        timestamps[start + i] as number,
        values[start + i] as number,
      ]),
    ]),
  );
}

const counted = (window: HotWindow): Record<string, number> =>
  Object.fromEntries(
    VERDICTS.flatMap((word, code) => (window.counts[code] ? [[word, window.counts[code]]] : [])),
  );

describe("the hot window", () => {
  test("gives back what was appended, over plain and compressed rows", () => {
    const { window, owner } = windowOf();
    const layout = open(window, owner, [named("a"), named("b", "job", "x")]);
    for (let row = 0; row < 200; row++)
      window.append(layout, T0 + row * 15_000, Float64Array.of(row, row / 7), T0 + row * 15_000);
    const all = read(window.select([EVERYTHING], T0 - 1, T0 + HOUR));
    expect(all['{"__name__":"a"}']).toEqual(
      Array.from({ length: 200 }, (_, row) => [T0 + row * 15_000, row]),
    );
    expect(all['{"__name__":"b","job":"x"}']).toEqual(
      Array.from({ length: 200 }, (_, row) => [T0 + row * 15_000, row / 7]),
    );
    const last = window.select([{ name: "job", op: "=", value: "x" }], T0 + 198 * 15_000, T0 + 199 * 15_000);
    expect(read(last)).toEqual({ '{"__name__":"b","job":"x"}': [[T0 + 199 * 15_000, 199 / 7]] });
  });

  test("keeps a staleness marker's bits, plain and compressed, and makes the bits of an empty cell an ordinary NaN", () => {
    const { window, owner } = windowOf();
    const layout = open(window, owner, [named("a"), named("b")]);
    for (let row = 0; row < 100; row++) {
      const values = Float64Array.of(1, 2);
      if (row === 1 || row === 99) markStaleAt(values, 0);
      if (row === 1) new BigUint64Array(values.buffer)[1] = 0x7ff800004d534142n;
      window.append(layout, T0 + row, values, T0);
    }
    const [a, b] = window.select([EVERYTHING], T0 - 1, T0 + HOUR) as [SeriesSamples, SeriesSamples];
    const stale = Array.from({ length: a.end - a.start }, (_, i) => isStaleAt(a.values, a.start + i));
    expect(stale.flatMap((is, i) => (is ? [i] : []))).toEqual([1, 99]);
    expect(b.end - b.start).toBe(100);
    expect(Number.isNaN(b.values[b.start + 1])).toBe(true);
  });

  test("moves a series to another layout and back without a gap, and refuses what overlaps", () => {
    const { window, owner } = windowOf();
    const one = open(window, owner, [named("a"), named("b")]);
    const two = open(window, owner, [named("b"), named("c")]);
    window.append(one, T0, Float64Array.of(1, 1), T0);
    window.append(two, T0 + 1, Float64Array.of(2, 2), T0);
    window.append(one, T0 + 1, Float64Array.of(3, 2), T0);
    window.append(one, T0 + 2, Float64Array.of(4, 4), T0);
    window.append(two, T0 + 3, Float64Array.of(5, 5), T0);
    expect(read(window.select([EVERYTHING], 0, T0 + HOUR))).toEqual({
      '{"__name__":"a"}': [
        [T0, 1],
        [T0 + 1, 3],
        [T0 + 2, 4],
      ],
      '{"__name__":"b"}': [
        [T0, 1],
        [T0 + 1, 2],
        [T0 + 2, 4],
        [T0 + 3, 5],
      ],
      '{"__name__":"c"}': [
        [T0 + 1, 2],
        [T0 + 3, 5],
      ],
    });
    expect(counted(window)).toEqual({ kept: 9, duplicate: 1 });
  });

  test("counts each sample of a series that has no room, is named twice or was never announced", () => {
    const { window, owner } = windowOf(2);
    const ids = [named("a"), named("b"), named("c")].map((labels) => window.hold(owner, labels));
    const layout = window.openLayout(owner, [...ids, ids[0] as number, -VERDICTS.indexOf("unknown-series")]);
    window.append(layout, T0, Float64Array.of(1, 2, 3, 4, 5), T0);
    window.append(layout, T0 + 1, Float64Array.of(1, 2, 3, 4, 5), T0);
    expect(counted(window)).toEqual({
      kept: 4,
      "node-series-limit": 2,
      "repeated-series": 2,
      "unknown-series": 2,
    });
    expect(Object.keys(read(window.select([EVERYTHING], 0, T0 + 1)))).toEqual([
      '{"__name__":"a"}',
      '{"__name__":"b"}',
    ]);
  });

  test("lets series go that had no sample for longer than the window, and makes room for others", () => {
    const { window, owner } = windowOf(2);
    const old = open(window, owner, [named("a"), named("b")]);
    window.append(old, T0, Float64Array.of(1, 2), T0);
    window.closeLayout(old);
    for (const id of old.lane.series) window.release(id);
    window.evict(T0 + HOUR);
    expect(window.seriesCount).toBe(2);
    window.evict(T0 + HOUR + 5 * MINUTE + 1);
    expect(window.seriesCount).toBe(0);
    expect(window.weigh()).toEqual({ bytes: 0, samplesNotDurable: 0, lanes: 0 });
    const later = T0 + 2 * HOUR;
    const fresh = open(window, owner, [named("c"), named("a")]);
    window.append(fresh, later, Float64Array.of(3, 4), later);
    expect(Object.keys(read(window.select([EVERYTHING], 0, later)))).toEqual([
      '{"__name__":"a"}',
      '{"__name__":"c"}',
    ]);
  });

  test("keeps an open layout's series even when nothing came for long, compressed", () => {
    const { window, owner } = windowOf();
    const layout = open(window, owner, [named("a")]);
    window.append(layout, T0, Float64Array.of(1), T0);
    window.evict(T0 + 11 * MINUTE);
    expect(window.weigh().bytes).toBeLessThan(40);
    window.append(layout, T0, Float64Array.of(1), T0);
    expect(counted(window)).toEqual({ kept: 1, duplicate: 1 });
    window.evict(T0 + 3 * HOUR);
    window.append(layout, T0 + 3 * HOUR, Float64Array.of(2), T0 + 3 * HOUR);
    expect(read(window.select([EVERYTHING], 0, T0 + 4 * HOUR))).toEqual({
      '{"__name__":"a"}': [[T0 + 3 * HOUR, 2]],
    });
  });

  test("takes back what it wrote out, and only once", () => {
    const { window, owner } = windowOf();
    const layout = open(window, owner, [named("a"), named("b")]);
    for (let row = 0; row < 70; row++) window.append(layout, T0 + row, Float64Array.of(row, -row), T0);
    const { lane } = layout;
    const blocks = lane.encodeNotDurable();
    expect(lane.rowsNotDurable).toBe(70);
    lane.durableThrough = lane.newest;
    expect(lane.encodeNotDurable()).toEqual([]);
    expect(lane.rowsNotDurable).toBe(0);

    const other = windowOf();
    const names = window.namesOf(lane).map((labels) => [...labels]);
    const loaded = open(other.window, other.owner, names);
    for (const block of [...blocks, ...blocks]) other.window.attach(loaded, block, T0);
    expect(read(other.window.select([EVERYTHING], 0, T0 + HOUR))).toEqual(
      read(window.select([EVERYTHING], 0, T0 + HOUR)),
    );
    expect(other.window.weigh().samplesNotDurable).toBe(0);
    const again = open(other.window, other.owner, [named("a"), named("b")]);
    other.window.append(again, T0 + 69, Float64Array.of(69, -69), T0);
    other.window.append(again, T0 + 70, Float64Array.of(70, -70), T0);
    expect(counted(other.window)).toMatchObject({ duplicate: 2 });
    expect(other.window.weigh().samplesNotDurable).toBe(2);
  });

  test("answers like a plain list of samples, whatever order layouts and times come in", () => {
    const names = ["a", "b", "c", "d"];
    const frame = fc.record({
      columns: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
      at: fc.integer({ min: 0, max: 120 }),
      value: fc.integer({ min: 0, max: 3 }),
    });
    const query = fc.tuple(fc.integer({ min: 0, max: 130 }), fc.integer({ min: 0, max: 130 }));
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 150 }), query, fc.boolean(), (frames, [from, to], sealing) => {
        const { window, owner } = windowOf();
        const plain = new Map<string, [number, number][]>();
        const layouts = new Map<string, Layout>();
        for (const { columns, at, value } of frames) {
          const key = columns.join();
          const layout =
            layouts.get(key) ??
            open(
              window,
              owner,
              columns.map((c) => named(names[c] as string)),
            );
          layouts.set(key, layout);
          window.append(
            layout,
            T0 + at,
            Float64Array.from(columns, () => value),
            T0,
          );
          if (sealing && value === 3) layout.lane.seal();
          for (const column of columns) {
            const label = JSON.stringify({ __name__: names[column] });
            const samples = plain.get(label) ?? [];
            if ((samples.at(-1)?.[0] ?? 0) < T0 + at) plain.set(label, [...samples, [T0 + at, value]]);
          }
        }
        const got = read(window.select([EVERYTHING], T0 + from, T0 + to));
        for (const [label, samples] of plain) {
          const inRange = (list: [number, number][]) => list.filter(([t]) => t > T0 + from && t <= T0 + to);
          expect(inRange(got[label] ?? [])).toEqual(inRange(samples));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("matchers", () => {
  const { window, owner } = windowOf();
  const layout = open(window, owner, [
    named("up", "job", "api", "node", "n1"),
    named("up", "job", "db", "node", "n1"),
    named("up", "job", "db", "node", "n2"),
    named("up", "node", "n2"),
    named("load", "constructor", "x", "node", "n2"),
  ]);
  window.append(layout, T0, Float64Array.of(0, 1, 2, 3, 4), T0);
  test.each([
    { matchers: [["__name__", "=", "up"]], finds: [0, 1, 2, 3] },
    {
      matchers: [
        ["__name__", "=", "up"],
        ["job", "=", ""],
      ],
      finds: [3],
    },
    {
      matchers: [
        ["__name__", "=", "up"],
        ["job", "!=", ""],
      ],
      finds: [0, 1, 2],
    },
    {
      matchers: [
        ["__name__", "=", "up"],
        ["job", "!=", "db"],
      ],
      finds: [0, 3],
    },
    {
      matchers: [
        ["job", "=~", "a.*|d."],
        ["node", "=", "n1"],
      ],
      finds: [0, 1],
    },
    { matchers: [["job", "=~", "d"]], finds: [] },
    {
      matchers: [
        ["job", "!~", "d.*"],
        ["__name__", "=", "up"],
      ],
      finds: [0, 3],
    },
    { matchers: [["job", "=~", ".*"]], finds: [0, 1, 2, 3, 4] },
    { matchers: [["constructor", "=", "x"]], finds: [4] },
    { matchers: [["toString", "=", ""]], finds: [0, 1, 2, 3, 4] },
    { matchers: [["node", "=", "n3"]], finds: [] },
    { matchers: [], finds: [0, 1, 2, 3, 4] },
  ] as const)("$matchers find $finds", ({ matchers, finds }) => {
    const found = window.select(
      matchers.map(([name, op, value]) => ({ name, op, value })),
      T0 - 1,
      T0,
    );
    expect(found.map((series) => series.values[series.start])).toEqual(finds);
  });

  test("label objects carry no methods and stay the same object", () => {
    const [one] = window.select([{ name: "constructor", op: "=", value: "x" }], T0 - 1, T0);
    const [two] = window.select([{ name: "__name__", op: "=", value: "load" }], T0 - 1, T0);
    expect(one?.labels).toBe(two?.labels);
    expect(one?.labels["toString"]).toBeUndefined();
  });
});
