import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Matcher } from "../../kernel/labels.js";
import { MINUTE, SECOND } from "../../kernel/time.js";
import type { SeriesSamples } from "../../promql/series-source.js";
import { DEFAULT_SERIES_LIMITS, DEFAULT_TIME_LIMITS } from "./accept-samples.js";
import { HotWindow } from "./hot-window.js";
import type { Layout } from "./layout.js";

const T0 = 1_800_000_000_000;
const BY_NAME: readonly Matcher[] = [{ name: "__name__", op: "=~", value: "m.*" }];

/** The same selection under matchers nobody asked with before, so that nothing remembered can answer. */
const askedNever = (nth: number): readonly Matcher[] => [
  ...BY_NAME,
  { name: "nowhere", op: "!=", value: `value ${nth}` },
];

const read = (series: readonly SeriesSamples[]): [string, number[], number[]][] =>
  series.map(({ labels, timestamps, values, start, end }) => [
    JSON.stringify(labels),
    [...timestamps.slice(start, end)],
    [...values.slice(start, end)],
  ]);

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("append" as const), layout: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("open" as const),
      series: fc.uniqueArray(fc.nat(7), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), layout: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), minutes: fc.nat(40) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("ask" as const), back: fc.nat(90) }) },
);

describe("a selection that is asked for again and again", () => {
  test("is what it would be if it were asked for the first time, whatever happened between", () => {
    let asked = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 160 }), (steps) => {
        const window = new HotWindow({
          seriesLimits: DEFAULT_SERIES_LIMITS,
          timeLimits: DEFAULT_TIME_LIMITS,
        });
        const owner = window.addOwner(100);
        const layouts: Layout[] = [];
        let now = T0;
        for (const one of steps) {
          now += 15 * SECOND;
          if (one.kind === "open") {
            const ids = one.series.map((n) => window.hold(owner, ["__name__", `m${n}`, "n", `${n % 3}`]));
            layouts.push(window.openLayout(owner, ids));
            for (const id of ids) window.release(id);
          } else if (one.kind === "append") {
            const layout = layouts[one.layout];
            if (layout !== undefined)
              window.append(
                layout,
                now,
                Float64Array.from({ length: layout.size }, (_, i) => now / 1e6 + i),
                now,
              );
          } else if (one.kind === "close") {
            const [layout] = layouts.splice(one.layout, 1);
            if (layout !== undefined) window.closeLayout(layout);
          } else if (one.kind === "wait") {
            now += one.minutes * MINUTE;
            window.evict(now);
          } else {
            const from = now - one.back * MINUTE;
            const anew = read(window.select(askedNever(asked++), from, now));
            expect(read(window.select(BY_NAME, from, now))).toEqual(anew);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("is the same list as long as every series has plain samples in it, and another when one has none", () => {
    const window = new HotWindow({ seriesLimits: DEFAULT_SERIES_LIMITS, timeLimits: DEFAULT_TIME_LIMITS });
    const owner = window.addOwner(100);
    const open = (name: string): Layout => window.openLayout(owner, [window.hold(owner, ["__name__", name])]);
    const layouts = [open("m1"), open("m2")];
    const append = (layout: Layout | undefined, at: number): void => {
      if (layout !== undefined) window.append(layout, at, Float64Array.of(at - T0), at);
    };
    for (const layout of layouts) append(layout, T0);
    const ask = (at: number): readonly SeriesSamples[] => window.select(BY_NAME, at - 5 * MINUTE, at);
    ask(T0);
    const bound = ask(T0);
    append(layouts[0], T0 + 15 * SECOND);
    expect(ask(T0 + 15 * SECOND)).toBe(bound);
    expect(bound[0]?.end).toBe(2);
    // The second one's only sample has left the range.
    expect(ask(T0 + 5 * MINUTE).map(({ labels }) => labels["__name__"])).toEqual(["m1"]);
  });
});
