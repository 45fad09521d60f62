import { describe, expect, test } from "vitest";
import { HOUR, MINUTE } from "../../kernel/time.js";
import { parseExpr } from "../../promql/parse.js";
import { reachOf } from "./query-reach.js";

const T = 1_800_000_000_000;

describe("a query at one time reaches back", () => {
  test.each([
    { expr: "up", back: 5 * MINUTE, ahead: 0 },
    { expr: "rate(up[15m])", back: 15 * MINUTE, ahead: 0 },
    { expr: "up offset 1h", back: HOUR + 5 * MINUTE, ahead: -HOUR },
    { expr: "up offset -1h", back: 5 * MINUTE - HOUR, ahead: HOUR },
    { expr: "max_over_time(rate(up[5m])[1h:1m])", back: HOUR + 5 * MINUTE, ahead: 0 },
    { expr: "max_over_time(rate(up[5m])[1h:1m] offset 1h)", back: 2 * HOUR + 5 * MINUTE, ahead: -HOUR },
    { expr: "up / on() (down offset 10m)", back: 15 * MINUTE, ahead: 0 },
    { expr: "-(sum by (job) (rate(up[1h])))", back: HOUR, ahead: 0 },
    { expr: "topk(scalar(n offset 1h), up)", back: HOUR + 5 * MINUTE, ahead: 0 },
    { expr: `up @ ${(T - 2 * HOUR) / 1_000}`, back: 2 * HOUR + 5 * MINUTE, ahead: -2 * HOUR },
    { expr: "histogram_quantile(0.9, rate(b[30m]))", back: 30 * MINUTE, ahead: 0 },
  ])("$expr: $back ms", ({ expr, back, ahead }) => {
    const reach = reachOf(parseExpr(expr), T, T);
    expect(reach && { back: T - reach.from, ahead: reach.to - T }).toEqual({ back, ahead });
  });

  test.each(["1 + 1", '"text"', "time()", "vector(1)"])("%s: to nothing", (expr) => {
    expect(reachOf(parseExpr(expr), T, T)).toBeUndefined();
  });
});

test.each([
  { expr: "up", from: T - HOUR - 5 * MINUTE, to: T },
  { expr: "up @ start()", from: T - HOUR - 5 * MINUTE, to: T - HOUR },
  { expr: "up @ end()", from: T - 5 * MINUTE, to: T },
])("over an hour, $expr reaches from $from to $to", ({ expr, from, to }) => {
  expect(reachOf(parseExpr(expr), T - HOUR, T)).toMatchObject({ from, to });
});

test.each([
  { expr: 'up{node="a"}', nodes: ["a"] },
  { expr: 'up{node="a"} / load{node="b"}', nodes: ["a", "b"] },
  { expr: 'up{node="a"} / load', nodes: undefined },
  { expr: 'up{node=""}', nodes: undefined },
  { expr: 'up{node=~"a"}', nodes: undefined },
])("$expr is about the nodes $nodes", ({ expr, nodes }) => {
  const reach = reachOf(parseExpr(expr), T, T);
  expect(reach?.nodes && [...reach.nodes]).toEqual(nodes);
});
