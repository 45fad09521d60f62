import fc from "fast-check";
import { expect, test } from "vitest";
import { MINUTE, SECOND } from "../kernel/time.js";
import { isStaleAt, STALE_NAN } from "../promql/series-source.js";
import { DEFAULT_SERIES_LIMITS, DEFAULT_TIME_LIMITS } from "./domain/accept-samples.js";
import { HotWindow } from "./domain/hot-window.js";
import { HotChunks } from "./hot-chunks.js";
import { NodeTable } from "./node-table.js";
import type { StoreCalls, StoredChunk } from "./store-protocol.js";
import { WrittenLanes } from "./written-lanes.js";

const NOW = 1_795_000_000_000;
const SERIES = 9;

interface World {
  readonly window: HotWindow;
  readonly lanes: WrittenLanes;
  readonly chunks: HotChunks;
}

function world(): World {
  const options = { seriesLimits: DEFAULT_SERIES_LIMITS, timeLimits: DEFAULT_TIME_LIMITS };
  const window = new HotWindow(options);
  const nodes = new NodeTable(window, options);
  return { window, lanes: new WrittenLanes(window, nodes, options), chunks: new HotChunks(window, nodes) };
}

const labelsOf = (series: number): string[] => [
  ...["__name__", `m_${series}`, "instance", `${series % 2}`, "job", series < 6 ? "app" : ""],
];

type Written = readonly (readonly [series: number, at: number, value: number])[];

function request(written: Written, fresh: readonly number[], dropped: readonly number[] = []) {
  return {
    through: 0,
    reset: false,
    dropped: Uint32Array.from(dropped),
    fresh: fresh.map((ref) => ({ ref, labels: labelsOf(ref) })),
    series: Uint32Array.from(written, ([series]) => series),
    timestamps: Float64Array.from(written, ([, at]) => NOW - 10 * MINUTE + at * SECOND),
    values: Float64Array.from(written, ([, , value]) => value),
  } satisfies StoreCalls["write"]["request"];
}

function samplesOf({ window }: World, series: number): [number, number][] {
  const matcher = { name: "__name__", op: "=", value: `m_${series}` } as const;
  return window.select([matcher], 0, NOW + MINUTE).flatMap(({ timestamps, values, start, end }) =>
    Array.from({ length: end - start }, (_, index): [number, number] => {
      const at = ((timestamps[start + index] as number) - NOW + 10 * MINUTE) / SECOND;
      return [at, values[start + index] as number];
    }),
  );
}

type Step =
  | { readonly kind: "write"; readonly samples: Written }
  /** What is there is collected for PostgreSQL, which takes it or not. */
  | { readonly kind: "collect"; readonly durable: boolean }
  | { readonly kind: "forget"; readonly series: number }
  | { readonly kind: "evict" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      samples: fc.array(fc.tuple(fc.nat(SERIES - 1), fc.nat(120), fc.nat(3)), { maxLength: 40 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("collect" as const), durable: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const), series: fc.nat(SERIES - 1) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "evict" } as const) },
);

test("keeps and refuses like a plain list for each series, however samples are mixed, parted and collected", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const made = world();
      const model = new Map<number, [number, number][]>();
      const known = new Set<number>();
      const stored: { names: (readonly [string, string])[]; chunks: StoredChunk[] } = {
        names: [],
        chunks: [],
      };
      const collect = (durable: boolean): void => {
        const { collection, items } = made.chunks.collect({ waitedMs: 0, bytesMax: 1e9 }, NOW);
        made.chunks.written(collection, durable, NOW);
        for (const { node, chunk } of durable ? items : []) {
          if (chunk === undefined) continue;
          stored.names.push(...chunk.names);
          stored.chunks.push({ node, digests: chunk.digests, parts: chunk.parts });
        }
      };
      for (const one of steps) {
        if (one.kind === "collect") collect(one.durable);
        else if (one.kind === "evict") made.window.evict(NOW);
        else if (one.kind === "forget") {
          made.lanes.write(request([], [], [one.series]), NOW);
          known.delete(one.series);
        } else {
          const fresh = [...new Set(one.samples.map(([series]) => series))].filter(
            (series) => !known.has(series),
          );
          for (const series of fresh) known.add(series);
          const counts = { kept: 0, duplicate: 0, "out-of-order": 0, "conflicting-duplicate": 0 };
          // Within one request the samples of a series are taken by their times.
          for (const [series, at, value] of [...one.samples].sort((a, b) => a[1] - b[1])) {
            const list = model.get(series) ?? [];
            model.set(series, list);
            const [newest, its] = list.at(-1) ?? [-1, 0];
            if (at > newest) {
              list.push([at, value]);
              counts.kept++;
            } else if (at < newest) counts["out-of-order"]++;
            else counts[its === value ? "duplicate" : "conflicting-duplicate"]++;
          }
          const { kept, refusals } = made.lanes.write(request(one.samples, fresh), NOW);
          const told = Object.fromEntries(refusals.map(({ because, samples }) => [because, samples]));
          expect({ kept, duplicate: 0, "out-of-order": 0, "conflicting-duplicate": 0, ...told }).toEqual(
            counts,
          );
        }
        for (const [series, list] of model) expect(samplesOf(made, series)).toEqual(list);
      }
      // What PostgreSQL has is all of it.
      collect(true);
      const after = world();
      after.chunks.load({ stored, last: true }, NOW);
      for (const [series, list] of model) expect(samplesOf(after, series)).toEqual(list);
    }),
    { numRuns: 400 },
  );
});

test("the staleness marker keeps its bits, alone, in parts, and beside others", () => {
  const made = world();
  const stale = request(
    [
      [0, 1, 1],
      [2, 1, 1],
    ],
    [0, 2],
  );
  made.lanes.write(stale, NOW);
  const end = request([[0, 2, 0]], []);
  const bits = new BigUint64Array(end.values.buffer);
  bits[0] = 0x7ff0000000000002n;
  made.lanes.write(end, NOW);
  const late = request([[2, 2, 0]], []);
  new BigUint64Array(late.values.buffer)[0] = 0x7ff0000000000002n;
  expect(made.lanes.write(late, NOW)).toMatchObject({ kept: 1, refusals: [] });
  expect(Number.isNaN(STALE_NAN)).toBe(true);
  for (const series of [0, 2]) {
    const [found] = made.window.select([{ name: "__name__", op: "=", value: `m_${series}` }], 0, NOW);
    expect(found && isStaleAt(found.values, found.end - 1)).toBe(true);
  }
});

test("a target's series share a lane, and a lane whose series have mostly gone is left", () => {
  const made = world();
  const all = Array.from({ length: 6 }, (_, series) => series);
  const at = (time: number, series = all): Written => series.map((one) => [one, time, time]);
  made.lanes.write(request(at(1), all), NOW);
  // Two instances of one job: two lanes.
  expect(made.window.weigh().lanes).toBe(2);
  made.lanes.write(request(at(2), []), NOW);
  expect(made.window.weigh().lanes).toBe(2);
  made.lanes.write(request(at(3, [4]), [], [0, 2]), NOW);
  expect(made.window.weigh().lanes).toBe(3);
  expect(samplesOf(made, 4)).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
});
