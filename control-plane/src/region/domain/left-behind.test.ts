import { expect, test } from "vitest";
import { type CascadeState, FIRST } from "./cascade.js";
import { type EndedRun, isLeftBehind } from "./left-behind.js";
import type { RegionPlan, RegionStep } from "./region-plan.js";
import type { Standing } from "./standing.js";

const EAST = { host: "10.0.0.1", port: 6_379 };
const WEST = { host: "10.1.0.1", port: 6_379 };

const step = (from: typeof EAST, to: typeof EAST): RegionStep => ({
  ...{ id: "cache", kind: "redis", component: undefined, needs: [], budget: 1, rpo: undefined },
  target: {
    ...{ kind: "redis", from, to, user: undefined, passwordFile: undefined, tls: false, restart: undefined },
  },
});
const run = (
  region: string,
  moved: RegionStep,
  endedAt: number | undefined,
  more: Partial<CascadeState> = {},
): EndedRun => {
  const plan: RegionPlan = {
    ...{
      id: region,
      title: region,
      to: "x",
      rto: 1,
      overBudget: "ask",
      approval: "doubtful",
      steps: [moved],
    },
  };
  const state: CascadeState = {
    ...FIRST,
    phase: "closed",
    steps: { cache: { kind: "done", at: 1 } },
    ...more,
  };
  return { region, plan, state, endedAt };
};
const both: Standing = { at: 9, from: "alive", to: "active", because: "two masters" };
const away = step(EAST, WEST);
const back = step(WEST, EAST);

test.each([
  { when: "it was moved away and is back", run: run("east", away, 5), others: [], is: true },
  { when: "it was never moved", run: undefined, others: [], is: false },
  { when: "the move was aborted", run: run("east", away, 5, { phase: "aborted" }), others: [], is: false },
  { when: "it was handed back since", run: run("east", away, 5), others: [run("west", back, 6)], is: false },
  {
    when: "it is being handed back",
    run: run("east", away, 5),
    others: [run("west", back, undefined)],
    is: false,
  },
  { when: "it was handed back before", run: run("east", away, 5), others: [run("west", back, 4)], is: true },
])("a master that is back follows when $when: $is", ({ run: own, others, is }) => {
  const newest = [...(own === undefined ? [] : [own]), ...others];
  expect(isLeftBehind(own, away, both, newest)).toBe(is);
});

test("one that does not work again, or whose successor does not, is left alone", () => {
  const own = run("east", away, 5);
  expect(isLeftBehind(own, away, { ...both, from: "lost" }, [own])).toBe(false);
  expect(isLeftBehind(own, away, { ...both, to: "ready" }, [own])).toBe(false);
});
