import { expect, test } from "vitest";
import { judgePlace, newestDone } from "./judge-place.js";
import type { Steer } from "./steer.js";
import type { TrafficTarget } from "./traffic-target.js";

const target: TrafficTarget = {
  ...{ id: "web", title: "web", kind: "haproxy", cluster: "main", approval: true, health: {} },
  ...{ sockets: ["/none"], backend: "web", endSessions: true, destinations: { a: "a", b: "b" } },
};
const seen = (...goesTo: string[]) => ({
  ...{ goesTo, epoch: 1, keepsEpoch: true, hold: 0, elsewhere: 0, because: "" },
});
const steer = (to: string, steeredAt: number | undefined): Steer => ({
  ...{
    id: "1",
    target: "web",
    to,
    origin: undefined,
    reason: "",
    requestedBy: { kind: "human", name: "ann" },
  },
  ...{ requestedAt: 0, state: "moved", because: "", decidedBy: undefined, planHash: "", begun: undefined },
  ...{ steeredAt, endedAt: undefined },
});

test.each([
  { when: "it goes to the owner", goes: seen("a"), owner: "a", last: undefined, is: "right" },
  {
    when: "it goes to another than the owner",
    goes: seen("b"),
    owner: "a",
    last: steer("b", 1),
    is: "astray",
  },
  { when: "it was never steered", goes: seen("b"), owner: undefined, last: undefined, is: "right" },
  {
    when: "it goes where it was steered",
    goes: seen("b"),
    owner: undefined,
    last: steer("b", 1),
    is: "right",
  },
  { when: "somebody moved it by hand", goes: seen("a"), owner: undefined, last: steer("b", 1), is: "astray" },
  { when: "it goes to two", goes: seen("a", "b"), owner: "a", last: undefined, is: "astray" },
  { when: "it goes nowhere", goes: seen(), owner: "a", last: undefined, is: "astray" },
  { when: "it goes to a stranger", goes: seen("192.0.2.9"), owner: undefined, last: undefined, is: "astray" },
  { when: "nobody can say", goes: { unseen: "away" }, owner: "a", last: undefined, is: "unknown" },
])("it is $is when $when", ({ goes, owner, last, is }) => {
  expect(judgePlace(target, goes, { owner, last }).kind).toBe(is);
});

test("what was asked and not done says nothing of where it should be", () => {
  expect(newestDone([steer("b", undefined), steer("a", 1)])?.to).toBe("a");
});
