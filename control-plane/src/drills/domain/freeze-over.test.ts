import { expect, test } from "vitest";
import { parsePolicy } from "../../commands/domain/policy.js";
import { freezeOver } from "./freeze-over.js";

const component = { id: "pg-primary", selector: { role: "pg-primary" } };
const from = "2026-12-20T00:00:00Z";
const until = "2027-01-02T00:00:00Z";
const whole = { name: "f", reason: "r", from, until };

test.each([
  { when: "there is none", freezes: [], at: from, held: false },
  { when: "it has just begun", freezes: [whole], at: from, held: true },
  { when: "it has not begun", freezes: [whole], at: "2026-12-19T23:59:59.999Z", held: false },
  { when: "it has just ended", freezes: [whole], at: until, held: false },
  {
    when: "it names the component",
    freezes: [{ ...whole, components: ["pg-primary"] }],
    at: from,
    held: true,
  },
  { when: "it names another", freezes: [{ ...whole, components: ["redis"] }], at: from, held: false },
  {
    when: "it is for its nodes",
    freezes: [{ ...whole, nodes: { role: "pg-primary" } }],
    at: from,
    held: true,
  },
  { when: "it is for other nodes", freezes: [{ ...whole, nodes: { role: "web" } }], at: from, held: false },
  { when: "it may be for its nodes", freezes: [{ ...whole, nodes: { zone: "a" } }], at: from, held: true },
  {
    when: "it recurs, and this is no such day",
    freezes: [{ name: "f", reason: "r", windows: [{ days: ["mon"] }] }],
    at: "2026-12-22T12:00:00Z",
    held: false,
  },
])("a freeze holds a drill when $when: $held", ({ freezes, at, held }) => {
  const parsed = parsePolicy({ freezes, rules: [] });
  if (!("policy" in parsed)) throw new Error(parsed.faults.join());
  expect(freezeOver(parsed.policy, component, Date.parse(at)) !== undefined).toBe(held);
});
