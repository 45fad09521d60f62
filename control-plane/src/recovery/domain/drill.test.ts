import { describe, expect, test } from "vitest";
import { DAY, MINUTE } from "../../kernel/time.js";
import type { DecisionAccount } from "./account-decision.js";
import { type DrillDefinition, judgeDrill, type SwitchoverRun, scoreDrill } from "./drill.js";
import type { FailoverRequest } from "./failover-request.js";
import { eventOf, whyNotAnswer } from "./failover-request.js";

const ann = { kind: "human", name: "ann" } as const;
const drill: DrillDefinition = {
  id: "main-switchover",
  cluster: "main",
  kind: "switchover",
  every: 30 * DAY,
  byItself: false,
  windows: [],
  atMost: 15 * MINUTE,
  restore: undefined,
};
const aims = { rto: MINUTE, rpo: undefined };

const request: FailoverRequest = {
  id: "r",
  cluster: "main",
  kind: "switchover",
  to: "",
  reason: "a drill",
  epoch: 3,
  acceptLoss: false,
  requestedBy: ann,
  requestedAt: 10 * DAY,
  state: "done",
  because: "",
  decidedBy: undefined,
  planHash: "",
  drill: drill.id,
};
const account: DecisionAccount = {
  epoch: 3,
  kind: "switchover",
  from: "a",
  candidate: "b",
  trigger: "",
  outcome: "done",
  startedAt: 10 * DAY,
  endedAt: 10 * DAY + 500,
  openAfter: 400,
  rto: 400,
  rpo: 0,
  missingBytes: 0,
  fencedBy: "ack",
  approvedBy: undefined,
  steps: [],
};
const run = (
  changes: { request?: Partial<FailoverRequest>; account?: Partial<DecisionAccount> } = {},
): SwitchoverRun => ({
  request: { ...request, ...changes.request },
  account: { ...account, ...changes.account },
});

describe("a drill", () => {
  test.each<[string, SwitchoverRun, { last: string; score: number }]>([
    ["open in time with nothing missing", run(), { last: "passed", score: 100 }],
    ["open exactly at its RTO", run({ account: { rto: MINUTE } }), { last: "passed", score: 100 }],
    ["open a moment after its RTO", run({ account: { rto: MINUTE + 1 } }), { last: "failed", score: 75 }],
    [
      "open in time with a byte missing",
      run({ account: { missingBytes: 1 } }),
      { last: "failed", score: 75 },
    ],
    ["called off", run({ account: { outcome: "aborted" } }), { last: "failed", score: 0 }],
    ["under way", run({ account: { outcome: "open" } }), { last: "running", score: 0 }],
    ["refused", run({ request: { state: "refused" } }), { last: "failed", score: 0 }],
    ["not taken up yet", { request, account: undefined }, { last: "running", score: 0 }],
  ])("%s", (_, one, expected) => {
    expect(scoreDrill(one, aims)).toMatchObject(expected);
  });

  test("is due so long after it last passed, not after it failed", () => {
    const failed = run({ request: { requestedAt: 30 * DAY }, account: { missingBytes: 1 } });
    const standing = judgeDrill(drill, [failed, run()], aims, 0, 40 * DAY);
    expect(standing).toMatchObject({ last: "failed", dueAt: 40 * DAY, overdue: false });
    expect(judgeDrill(drill, [failed, run()], aims, 0, 40 * DAY + 1).overdue).toBe(true);
  });

  test("that was never run is counted from when its cluster came under failover", () => {
    expect(judgeDrill(drill, [], aims, 5 * DAY, 35 * DAY)).toMatchObject({ last: "never", overdue: false });
    expect(judgeDrill(drill, [], aims, 5 * DAY, 35 * DAY + 1).overdue).toBe(true);
  });
});

test("who asked does not answer, under whatever kind", () => {
  expect(whyNotAnswer(ann, { kind: "mcp", name: "ann" })).toContain("another person");
  expect(whyNotAnswer(ann, { kind: "human", name: "bob" })).toBe(undefined);
});

test("a forced failover names both who asked and who approved", () => {
  const forced: FailoverRequest = { ...request, kind: "force", decidedBy: { kind: "human", name: "bob" } };
  expect(eventOf(forced)).toEqual({ kind: "force", by: "ann, approved by bob", reason: "a drill" });
});
