import { expect, test } from "vitest";
import { parseRegions } from "./parse-regions.js";

const db = { cluster: "main", to: ["db-2"], budget: "10s" };
const STEPS = {
  fence: { id: "fence", do: "fence", ...db },
  db: { id: "db", do: "promote", ...db },
  cache: { id: "cache", do: "redis", from: "10.0.0.1:6379", to: "10.1.0.1:6379", budget: "5s" },
  api: {
    id: "api",
    do: "scale",
    node: "app",
    action: "scale-pool",
    arguments: { replicas: 2 },
    budget: "5s",
  },
  try: { id: "try", do: "verify", requests: [{ url: "http://10.1.0.2/health" }], budget: "5s" },
  dns: { id: "dns", do: "traffic", target: "api", to: "west", budget: "5s" },
  say: { id: "say", do: "status", text: "moved", budget: "5s" },
};
type Name = keyof typeof STEPS;

const parse = (steps: readonly unknown[], more: object = {}) =>
  parseRegions({ regions: [{ id: "east", to: "west", rto: "1m", steps, ...more }] }, () => 7);
const inOrder = (...names: Name[]) => names.map((name) => STEPS[name]);
const faultsOf = (steps: readonly unknown[], more?: object): readonly string[] => {
  const parsed = parse(steps, more);
  return "faults" in parsed ? parsed.faults : [];
};

test("a plan has each step with all that it needs, also what its file leaves out", () => {
  const parsed = parse(inOrder("fence", "db", "cache", "api", "try", "dns", "say"));
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  const needs = Object.fromEntries(parsed.value[0]?.steps.map((step) => [step.id, step.needs]) ?? []);
  expect(needs).toEqual({
    fence: [],
    db: ["fence"],
    cache: [],
    api: [],
    try: ["fence", "db", "cache", "api"],
    dns: ["fence", "db", "cache", "api", "try"],
    say: ["fence", "db", "cache", "api", "try", "dns"],
  });
});

test("the prose runbook's order (activate the site by DNS, restore the data, verify, tell) is refused with the reason", () => {
  const faults = faultsOf(inOrder("dns", "fence", "db", "cache", "try", "say"));
  expect(faults).toEqual([
    '7: regions.0.steps.0: "dns" (traffic) stands before "fence" (fence): clients would be sent to a region whose data is not there and verified; DNS comes last, never before data',
  ]);
});

test.each([
  {
    when: "the database waits for DNS",
    steps: [STEPS.fence, { ...STEPS.db, needs: ["dns"] }, STEPS.try, STEPS.dns],
    says: /"dns" \(traffic\) stands before "db" \(promote\): clients would be sent/,
  },
  {
    when: "a cluster is promoted and not fenced",
    steps: inOrder("db", "try", "dns"),
    says: /two owners could take writes/,
  },
  {
    when: "traffic moves to what nobody tried",
    steps: inOrder("fence", "db", "dns"),
    says: /no step has verified/,
  },
  {
    when: "it is verified before the data is there",
    steps: inOrder("try", "fence", "db"),
    says: /proves nothing/,
  },
  {
    when: "it is told before it is so",
    steps: inOrder("fence", "db", "try", "say", "dns"),
    says: /what is not so yet/,
  },
  { when: "an id is there twice", steps: inOrder("cache", "cache"), says: /"cache" is there twice/ },
  {
    when: "steps need each other",
    steps: [
      { ...STEPS.fence, needs: ["cache"] },
      { ...STEPS.cache, needs: ["fence"] },
    ],
    says: /fence needs cache needs fence: a cycle/,
  },
  {
    when: "what is needed is not there",
    steps: [{ ...STEPS.cache, needs: ["disk"] }],
    says: /"disk", which is not there/,
  },
  {
    when: "a place is none",
    steps: [{ ...STEPS.cache, to: "redis" }],
    says: /not a place: "redis", expected host:port/,
  },
  { when: "a budget is nothing", steps: [{ ...STEPS.cache, budget: "0" }], says: /not a duration: "0"/ },
])("a plan is refused when $when", ({ steps, says }) => {
  expect(faultsOf(steps).join("\n")).toMatch(says);
});

test("a region does not fail over to itself", () => {
  expect(faultsOf(inOrder("cache"), { to: "east" }).join()).toMatch(/"east" is the region that may be lost/);
});
