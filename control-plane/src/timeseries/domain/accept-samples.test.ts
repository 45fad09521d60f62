import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOUR, MINUTE } from "../../kernel/time.js";
import { STALE_NAN } from "../../promql/series-source.js";
import {
  acceptFrame,
  acceptSeriesName,
  createVerdictCounts,
  DEFAULT_SERIES_LIMITS,
  DEFAULT_TIME_LIMITS,
  type LayoutSeen,
  refuseNewSeries,
} from "./accept-samples.js";
import { VERDICTS, type Verdict, verdictCode } from "./refusal.js";

const NOW = 1_800_000_000_000;

/** Series whose newest samples are as given: [time, value], or a refusal of the series. */
function layoutOf(series: readonly (readonly [number, number] | Verdict)[]): LayoutSeen {
  const times = series.map((entry) => (typeof entry === "string" ? undefined : entry[0]));
  const kept = times.filter((time) => time !== undefined);
  return {
    size: series.length,
    seriesVerdicts: Uint8Array.from(series, (entry) => (typeof entry === "string" ? verdictCode[entry] : 0)),
    refusedSeries: series.length - kept.length,
    newestOfAll: () =>
      kept.every((time) => time === kept[0]) ? (kept[0] ?? Number.NEGATIVE_INFINITY) : undefined,
    newestOf: (index) => times[index] as number,
    newestEquals: (index, values) =>
      Object.is((series[index] as readonly [number, number])[1], values[index]),
  };
}

function judge(layout: LayoutSeen, timestamp: number, values: readonly number[], now = NOW) {
  const verdicts = new Uint8Array(layout.size);
  const counts = createVerdictCounts();
  const outcome = acceptFrame(
    timestamp,
    Float64Array.from(values),
    layout,
    DEFAULT_TIME_LIMITS,
    now,
    verdicts,
    counts,
  );
  const counted = Object.fromEntries(
    VERDICTS.flatMap((word, code) => (counts[code] ? [[word, counts[code]]] : [])),
  );
  return {
    outcome,
    verdicts: outcome === "some" ? Array.from(verdicts, (code) => VERDICTS[code]) : undefined,
    counted,
  };
}

describe("a frame's samples", () => {
  const two = layoutOf([
    [NOW - 15_000, 1],
    [NOW - 15_000, 2],
  ]);
  test.each([
    { when: "newer than all before", at: NOW, values: [1, 2], counted: { kept: 2 }, outcome: "all" },
    { when: "1 ms newer", at: NOW - 14_999, values: [1, 2], counted: { kept: 2 }, outcome: "all" },
    { when: "the same again", at: NOW - 15_000, values: [1, 2], counted: { duplicate: 2 }, outcome: "none" },
    {
      when: "the same time, one value differs",
      at: NOW - 15_000,
      values: [1, 3],
      counted: { duplicate: 1, "conflicting-duplicate": 1 },
      outcome: "none",
    },
    {
      when: "the same time, 0 for -0 counts as another value",
      at: NOW - 15_000,
      values: [1, -0],
      counted: { duplicate: 1, "conflicting-duplicate": 1 },
      outcome: "none",
    },
    {
      when: "1 ms older than the newest",
      at: NOW - 15_001,
      values: [1, 2],
      counted: { "out-of-order": 2 },
      outcome: "none",
    },
    {
      when: "exactly 10 min ahead",
      at: NOW + 10 * MINUTE,
      values: [1, 2],
      counted: { kept: 2 },
      outcome: "all",
    },
    {
      when: "1 ms more than 10 min ahead",
      at: NOW + 10 * MINUTE + 1,
      values: [1, 2],
      counted: { "too-far-in-future": 2 },
      outcome: "none",
    },
    {
      when: "older than the hot window",
      at: NOW - HOUR - 5 * MINUTE - 1,
      values: [1, 2],
      counted: { "too-old": 2 },
      outcome: "none",
    },
    {
      when: "an ordinary NaN and a staleness marker",
      at: NOW,
      values: [Number.NaN, STALE_NAN],
      counted: { kept: 2 },
      outcome: "all",
    },
    {
      when: "shorter than its layout",
      at: NOW,
      values: [1],
      counted: { "malformed-frame": 2 },
      outcome: "none",
    },
    {
      when: "at a time that is none",
      at: Number.NaN,
      values: [1, 2],
      counted: { "bad-time": 2 },
      outcome: "none",
    },
    {
      when: "at half a millisecond",
      at: NOW + 0.5,
      values: [1, 2],
      counted: { "bad-time": 2 },
      outcome: "none",
    },
    { when: "at the year 0", at: 0, values: [1, 2], counted: { "bad-time": 2 }, outcome: "none" },
  ] as const)("are $counted when $when", ({ at, values, counted, outcome }) => {
    expect(judge(two, at, values)).toMatchObject({ counted, outcome });
  });

  test("at exactly the window's age are kept", () => {
    const at = NOW - HOUR - 5 * MINUTE;
    expect(judge(layoutOf([[Number.NEGATIVE_INFINITY, 0]]), at, [1])).toMatchObject({
      counted: { kept: 1 },
      outcome: "all",
    });
  });

  test("are judged one by one when the series have different pasts", () => {
    const layout = layoutOf([
      [NOW, 1],
      [NOW - 1, 1],
      "node-series-limit",
      [NOW + 1, 1],
      [NOW, 5],
      "unknown-series",
    ]);
    expect(judge(layout, NOW, [1, 1, 1, 1, 1, 1])).toEqual({
      outcome: "some",
      verdicts: [
        "duplicate",
        "kept",
        "node-series-limit",
        "out-of-order",
        "conflicting-duplicate",
        "unknown-series",
      ],
      counted: {
        kept: 1,
        duplicate: 1,
        "out-of-order": 1,
        "conflicting-duplicate": 1,
        "node-series-limit": 1,
        "unknown-series": 1,
      },
    });
  });

  test("each get exactly one verdict, and only samples newer than their series are kept", () => {
    const time = fc.integer({ min: NOW - 2 * HOUR, max: NOW + HOUR });
    const entry = fc.oneof(
      fc.tuple(time, fc.constantFrom(0, 1, 2)),
      fc.constantFrom("label-count" as const, "unknown-series" as const),
    );
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 8 }),
        time,
        fc.constantFrom(0, 1, 2),
        (series, at, value) => {
          const { outcome, verdicts, counted } = judge(
            layoutOf(series),
            at,
            series.map(() => value),
          );
          expect(Object.values(counted).reduce((sum, count) => sum + (count ?? 0), 0)).toBe(series.length);
          const inTime = at <= NOW + 10 * MINUTE && at >= NOW - HOUR - 5 * MINUTE;
          series.forEach((one, index) => {
            const keep = inTime && typeof one !== "string" && at > one[0];
            const word = outcome === "all" ? "kept" : outcome === "none" ? "not" : verdicts?.[index];
            expect(word === "kept").toBe(keep);
          });
        },
      ),
    );
  });
});

describe("a series' labels", () => {
  const forced = { node: "db-1" };
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => [`l${i}`, "x"]).flat();
  test.each([
    {
      when: "ordinary",
      labels: ["__name__", "up", "job", "a"],
      verdict: ["__name__", "up", "job", "a", "node", "db-1"],
    },
    {
      when: "claiming to be another node",
      labels: ["__name__", "up", "node", "db-2"],
      verdict: ["__name__", "up", "node", "db-1"],
    },
    {
      when: "with an empty value",
      labels: ["__name__", "up", "job", ""],
      verdict: ["__name__", "up", "node", "db-1"],
    },
    {
      when: "named like a method of objects",
      labels: ["__name__", "up", "constructor", "x"],
      verdict: ["__name__", "up", "constructor", "x", "node", "db-1"],
    },
    {
      when: "with control characters",
      labels: ["__name__", "up", "path", "a\u001b[2Jb\u202e"],
      verdict: ["__name__", "up", "node", "db-1", "path", "a [2Jb "],
    },
    { when: "of 64 in all", labels: ["__name__", "up", ...many(62)], verdict: 128 },
    { when: "of 65 with the node's", labels: ["__name__", "up", ...many(63)], verdict: "label-count" },
    { when: "of 65", labels: ["__name__", "up", ...many(64)], verdict: "label-count" },
    { when: "odd in number", labels: ["__name__", "up", "job"], verdict: "label-count" },
    { when: "one of them twice", labels: ["__name__", "up", "job", "a", "job", "b"], verdict: "label-name" },
    { when: "one of them __proto__", labels: ["__name__", "up", "__proto__", "x"], verdict: "label-name" },
    { when: "one of them with a dash", labels: ["__name__", "up", "a-b", "x"], verdict: "label-name" },
    { when: "one of them without a name", labels: ["__name__", "up", "", "x"], verdict: "label-name" },
    { when: "a name of 256", labels: ["__name__", "up", "n".repeat(256), "x"], verdict: 6 },
    { when: "a name of 257", labels: ["__name__", "up", "n".repeat(257), "x"], verdict: "label-name-length" },
    { when: "a value of 1,024", labels: ["__name__", "up", "a", "x".repeat(1024)], verdict: 6 },
    {
      when: "a value of 1,025",
      labels: ["__name__", "up", "a", "x".repeat(1025)],
      verdict: "label-value-length",
    },
    { when: "no metric name", labels: ["job", "a"], verdict: "metric-name" },
    { when: "an empty metric name", labels: ["__name__", "", "job", "a"], verdict: "metric-name" },
    { when: "a malformed metric name", labels: ["__name__", "9lives"], verdict: "metric-name" },
    {
      when: "a recording rule's metric name",
      labels: ["__name__", "job:up:sum"],
      verdict: ["__name__", "job:up:sum", "node", "db-1"],
    },
  ])("are judged: $when", ({ labels, verdict }) => {
    const judged = acceptSeriesName(labels, forced, DEFAULT_SERIES_LIMITS);
    if (typeof verdict === "string") expect(judged).toEqual({ kind: "refused", because: verdict });
    else if (typeof verdict === "number")
      expect(judged.kind === "kept" && judged.labels.length).toBe(verdict);
    else expect(judged).toEqual({ kind: "kept", labels: verdict });
  });

  test("never come out with another node's name, whatever they were", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom("node", "__name__", "up", "job", "instance"), fc.string())),
        (labels) => {
          const judged = acceptSeriesName(labels, forced, DEFAULT_SERIES_LIMITS);
          if (judged.kind === "refused") return;
          const nodes = judged.labels.flatMap((text, i) =>
            i % 2 === 0 && text === "node" ? [judged.labels[i + 1]] : [],
          );
          expect(nodes).toEqual(["db-1"]);
        },
      ),
    );
  });
});

test.each([
  { node: 19_999, global: 0, refusal: undefined },
  { node: 20_000, global: 0, refusal: "node-series-limit" },
  { node: 0, global: 1_999_999, refusal: undefined },
  { node: 0, global: 2_000_000, refusal: "global-series-limit" },
])("a new series beside $node of its node and $global in all: $refusal", ({ node, global, refusal }) => {
  expect(refuseNewSeries(node, global, DEFAULT_SERIES_LIMITS)).toBe(refusal);
});
