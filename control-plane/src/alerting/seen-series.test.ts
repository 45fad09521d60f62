import { describe, expect, test } from "vitest";
import { MINUTE } from "../kernel/time.js";
import { evaluateRange } from "../promql/evaluate.js";
import { MemorySeries } from "../promql/memory-series.js";
import { parseExpr } from "../promql/parse.js";
import { seenSeries } from "./seen-series.js";

const T0 = 1_700_000_000_000;
const series = new MemorySeries();
for (let at = 0; at <= 20; at++) {
  for (const node of ["a", "b"]) {
    series.append({ __name__: "used", node, job: "x" }, T0 + at * MINUTE, at);
    series.append({ __name__: "size", node }, T0 + at * MINUTE, 100);
  }
}
const asked: string[] = [];
const queryRange = async (expr: string, from: number, to: number, step: number) => {
  asked.push(expr);
  return evaluateRange(parseExpr(expr), { from, to, step }, series);
};

describe("what an expression saw of an alert", () => {
  test("are the last points of the series it selects, of this alert's labels and no other's", async () => {
    const expr = 'rate(used{job=~"x|y"}[5m] offset 1m) / on(node) size > 0 and used{job=~"x|y"} @ 12';
    const alert = { alertname: "Full", severity: "page", node: "a" };
    const seen = await seenSeries(expr, alert, T0 + 20 * MINUTE, queryRange);
    expect(seen.map(({ labels }) => labels)).toEqual([
      { __name__: "used", node: "a", job: "x" },
      { __name__: "size", node: "a" },
    ]);
    expect(seen[0]?.points.length).toBe(20);
    expect(seen[0]?.points.at(-1)).toEqual({ at: T0 + 20 * MINUTE, value: 20 });
    expect(asked).toEqual(['{job=~"x|y",__name__="used"}', '{__name__="size"}']);
  });

  test("are all series of an aggregate that kept none of their labels", async () => {
    const seen = await seenSeries("sum(used) > 1", { alertname: "Sum" }, T0 + 20 * MINUTE, queryRange);
    expect(seen.length).toBe(2);
  });
});
