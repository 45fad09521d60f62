import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../../kernel/time.js";
import { type Chart, drawChart, LINES_MAX } from "./draw-chart.js";
import { PALETTE, toPixels } from "./raster.js";
import { shortNumber, timeTicks, valueTicks } from "./scale.js";
import { COLORS } from "./shape.js";
import { toSvg } from "./svg.js";

const from = Date.UTC(2026, 10, 22, 14, 0);
const at = (minute: number): number => from + minute * MINUTE;
const chart = (more: Partial<Chart> = {}): Chart => ({
  title: 'Full {instance="a"}',
  subtitle: "used / size > 0.9",
  from,
  to: at(60),
  step: MINUTE,
  lines: [{ name: "a", points: [0, 1, 2, 30, 31].map((minute) => ({ at: at(minute), value: minute / 60 })) }],
  limits: [],
  threshold: { op: ">=", value: 0.9 },
  spans: [
    { kind: "pending", from: at(20), to: at(25) },
    { kind: "firing", from: at(25), to: at(90) },
  ],
  ...more,
});

describe("a chart", () => {
  const svg = toSvg(drawChart(chart()));

  test("says what it shows, the threshold, and the times in UTC", () => {
    expect(svg).toContain("Full {instance=&quot;a&quot;}");
    expect(svg).toContain("≥ 0.9");
    for (const text of ["14:00", "14:30", "15:00"]) expect(svg).toContain(`>${text}<`);
  });

  test("a line is cut where samples are missing", () => {
    expect(svg.split(`stroke="${COLORS.series0}"`)).toHaveLength(3);
  });

  test("bands are where it was pending and firing, and end with the drawing", () => {
    const bands = [...svg.matchAll(/<rect x="([\d.]+)" y="40" width="([\d.]+)"[^>]*fill="(#\w+)"/g)];
    expect(bands.map(([, x, width, color]) => [Number(x) + Number(width), color])).toEqual([
      [56 + (568 * 25) / 60, COLORS.pending].map((part) =>
        typeof part === "number" ? expect.closeTo(part, 0) : part,
      ),
      [624, COLORS.firing],
    ]);
  });

  test("without samples it says so", () => {
    expect(toSvg(drawChart(chart({ lines: [] })))).toContain("no samples");
  });

  test("labels that look like markup are text", () => {
    const title = '<script>alert("x")</script>\u0000\ud800';
    const drawn = toSvg(drawChart(chart({ title, subtitle: title })));
    for (const never of ["<script", "\u0000", "\ud800"]) expect(drawn).not.toContain(never);
    expect(drawn).toContain("&lt;script&gt;");
  });

  test("whatever the samples, every coordinate is a number within the drawing, and no text reaches over its edge", () => {
    const point = fc.record({ at: fc.integer({ min: from, max: at(60) }), value: fc.double() });
    fc.assert(
      fc.property(
        fc.array(fc.record({ name: fc.string(), points: fc.array(point, { maxLength: 30 }) }), {
          maxLength: LINES_MAX + 2,
        }),
        fc.double(),
        fc.string({ maxLength: 300 }),
        (lines, value, subtitle) => {
          const drawing = drawChart(chart({ lines, subtitle, threshold: { op: ">", value } }));
          for (const shape of drawing.shapes) {
            const points = shape.kind === "line" ? shape.points : [shape];
            for (const { x, y } of points) {
              expect(x >= 0 && x <= drawing.width + 2).toBe(true);
              expect(y >= 0 && y <= drawing.height).toBe(true);
            }
          }
          expect(toSvg(drawing)).not.toMatch(/NaN,|,NaN|Infinity/);
        },
      ),
      { numRuns: 200 },
    );
  });
});

test("pixels: the threshold, the bands and the letters are there", () => {
  const { width, height, indexes } = toPixels(drawChart(chart()));
  expect([width, height]).toEqual([1_280, 560]);
  const colors = new Set(indexes);
  for (const name of ["ink", "threshold", "firing", "pending", "series0"] as const)
    expect(colors.has(PALETTE.indexOf(COLORS[name]))).toBe(true);
});

describe("scales", () => {
  test.each([
    [0, 1, [0, 0.5, 1]],
    [0, 10, [0, 5, 10]],
    [-3, 3, [-2, 0, 2]],
    [0.95, 1.05, [0.95, 1, 1.05]],
  ])("between %d and %d stand round numbers", (low, high, expected) => {
    expect(valueTicks(low, high, 3)).toEqual(expected);
  });

  test.each([
    [1_500, "1.5k"],
    [0, "0"],
    [23_456_789, "23.46M"],
    [0.02, "0.02"],
    [1e-9, "1.00e-9"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
  ])("%d is written %s", (value, text) => {
    expect(shortNumber(value)).toBe(text);
  });

  test("times are round, and a day is written as a date", () => {
    expect(timeTicks(from, from + 30 * SECOND, 8).map(({ text }) => text)).toContain("14:00:15");
    expect(timeTicks(from, at(60 * 48), 8).map(({ text }) => text)).toContain("11-23");
  });
});
