import { describe, expect, test } from "vitest";
import type { CommandState } from "../../commands/domain/command.js";
import { DENY_ALL, type Policy } from "../../commands/domain/policy.js";
import type { Actor } from "../../kernel/actor.js";
import { MINUTE, SECOND } from "../../kernel/time.js";
import { madeRollout, madeTarget, madeView } from "../testing/made-rollout.js";
import { chooseEffects } from "./choose-effects.js";
import { chooseStarts, limitMax } from "./choose-starts.js";
import { afterAbort, afterApply, afterApproval, afterRejection, afterResume } from "./decide-rollout.js";
import { followCommand } from "./follow-command.js";
import { judgeGate } from "./judge-gate.js";
import { judgeReach } from "./judge-reach.js";
import { type Health, nextRollout } from "./next-rollout.js";
import { assignWaves, type CommandView, DEFAULT_WAVES, planText, type Target, waveSizes } from "./rollout.js";

const ANN: Actor = { kind: "human", name: "ann" };
const BOB: Actor = { kind: "human", name: "bob" };
const WELL: Health = { kind: "healthy", because: "well" };

describe("waves", () => {
  test.each([
    { targets: 0, sizes: [] },
    { targets: 1, sizes: [1] },
    { targets: 2, sizes: [1, 1] },
    { targets: 10, sizes: [1, 1, 8] },
    { targets: 25, sizes: [1, 3, 21] },
    { targets: 1_000, sizes: [1, 100, 899] },
  ])("one, a tenth, the rest: $targets targets in $sizes", ({ targets, sizes }) => {
    expect(waveSizes(targets, DEFAULT_WAVES)).toEqual(sizes);
  });

  test("take the targets by name, and leave out what could not be planned", () => {
    const targets = [
      madeTarget("c", { wave: 0 }),
      madeTarget("a", { wave: 0 }),
      madeTarget("b", { wave: 0, state: "left-out" }),
    ];
    expect(assignWaves(targets, [{ kind: "count", count: 1 }]).map(({ wave }) => wave)).toEqual([2, 1, 0]);
  });

  test("are part of the plan's hash, and so is each target's plan", () => {
    const rollout = madeRollout();
    const targets = [madeTarget("a"), madeTarget("b", { wave: 2 })];
    const text = planText(rollout, targets);
    expect(planText(rollout, [...targets].reverse())).toBe(text);
    expect(planText(rollout, [madeTarget("a"), madeTarget("b")])).not.toBe(text);
    expect(
      planText(rollout, [madeTarget("a", { planHash: "other" }), madeTarget("b", { wave: 2 })]),
    ).not.toBe(text);
    const other = { ...rollout, spec: { ...rollout.spec, argumentsJson: '{"a":1}' } };
    expect(planText(other, targets)).not.toBe(text);
  });
});

describe("a target", () => {
  test.each<[Target["state"], CommandState, Target["state"]]>([
    ["planning", "planning", "planning"],
    ["planning", "planned", "planned"],
    ["planning", "refused", "left-out"],
    ["planning", "failed", "left-out"],
    ["planned", "planned", "planned"],
    ["planned", "cancelled", "cancelled"],
    ["planned", "expired", "cancelled"],
    ["planned", "running", "running"],
    ["starting", "planned", "starting"],
    ["starting", "awaiting-approval", "starting"],
    ["starting", "approved", "running"],
    ["running", "planning", "drifted"],
    ["running", "succeeded", "succeeded"],
    ["running", "failed", "failed"],
    ["running", "timed-out", "failed"],
    ["running", "interrupted", "failed"],
    ["running", "refused", "failed"],
    ["running", "expired", "failed"],
    ["running", "cancelled", "cancelled"],
    ["succeeded", "failed", "succeeded"],
  ])("that is %s with a command that is %s is %s", (state, command, next) => {
    expect(followCommand(madeTarget("a", { state }), madeView("a", command)).state).toBe(next);
  });

  test.each<[Target["state"], CommandState]>([
    ["planned", "planned"],
    ["starting", "awaiting-approval"],
    ["running", "approved"],
  ])("that is %s drifts when its command, %s, has another plan", (state, command) => {
    const other = madeView("a", command, { planHash: "another" });
    expect(followCommand(madeTarget("a", { state }), other).state).toBe("drifted");
  });
});

describe("who starts", () => {
  const { spec } = madeRollout();
  const names = (targets: readonly Target[]) => targets.map(({ nodeName }) => nodeName);

  test("is of the wave, in order, and no more than may be at once", () => {
    const targets = [
      madeTarget("a", { state: "running" }),
      madeTarget("b"),
      madeTarget("c"),
      madeTarget("d", { wave: 2 }),
    ];
    const two = chooseStarts({ ...spec, maxInFlight: 2 }, targets, 1, () => undefined);
    expect(names(two.targets)).toEqual(["b"]);
    expect(two.heldBecause).toBe("2 targets are under way, at most 2 at once");
    expect(names(chooseStarts(spec, targets, 1, () => undefined).targets)).toEqual(["b", "c"]);
  });

  test("keeps each domain's limit, and passes over what is held", () => {
    const zone = (value: string) => ({ labels: { zone: value } });
    const targets = [
      madeTarget("a", zone("x")),
      madeTarget("b", zone("x")),
      madeTarget("c", zone("y")),
      madeTarget("d", zone("z")),
    ];
    const limits = [{ label: "zone", max: 5, share: 0.5 }];
    const starts = chooseStarts({ ...spec, limits }, targets, 1, ({ nodeName }) =>
      nodeName === "c" ? "a storm" : undefined,
    );
    expect(names(starts.targets)).toEqual(["a", "d"]);
    expect(starts.heldBecause).toBe("1 targets of zone=x are under way, at most 1 at once");
    expect([
      limitMax({ label: "", max: 2, share: 1 }, 9),
      limitMax({ label: "", max: 9, share: 0.1 }, 9),
    ]).toEqual([2, 1]);
  });
});

describe("a step", () => {
  const facts = (commands: readonly CommandView[], health: Health = WELL) => ({
    commands: new Map(commands.map((view) => [view.id, view])),
    health,
    holdOf: () => undefined,
    judgeReach: () => ({ verdict: "allow", approvals: 0, approver: "approver", because: "" }) as const,
    digest: (text: string) => `#${text.length}`,
  });

  test("takes a start back that was not carried out when it stops", () => {
    const targets = [madeTarget("a", { state: "running" }), madeTarget("b", { state: "starting" })];
    const commands = [madeView("a", "failed"), madeView("b", "planned")];
    const stopped = nextRollout(madeRollout(), targets, facts(commands), 1);
    expect(stopped.rollout).toMatchObject({
      state: "stopped",
      because: "1 of 2 targets failed, and it stops at 1",
    });
    const effects = chooseEffects(stopped.rollout, stopped.targets, facts(commands).commands);
    expect(effects).toEqual([]);
    const resting = nextRollout(stopped.rollout, stopped.targets, facts(commands), 2);
    expect(resting.targets[1]?.state).toBe("planned");
  });

  test("stops at a share of the targets, too", () => {
    const rollout = madeRollout();
    const spec = { ...rollout.spec, stopAtFailures: 99, stopAtShare: 0.5 };
    const targets = ["a", "b", "c", "d"].map((name) => madeTarget(name, { state: "running" }));
    const failed = (count: number) =>
      nextRollout(
        { ...rollout, spec },
        targets,
        facts(targets.slice(0, count).map(({ nodeName }) => madeView(nodeName, "failed"))),
        1,
      ).rollout.state;
    expect([failed(1), failed(2)]).toEqual(["running", "stopped"]);
  });

  test("waits for the gate to settle, begins anew when it breaks, and stops when it never holds", () => {
    const done = [madeTarget("a", { state: "succeeded" }), madeTarget("b", { wave: 2 })];
    const sick: Health = { kind: "unhealthy", because: "up is 0" };
    let rollout = madeRollout();
    const at = (now: number, health: Health) => {
      rollout = nextRollout(rollout, done, facts([], health), now).rollout;
      return [rollout.state, rollout.wave, rollout.heldBecause];
    };
    expect(at(0, WELL)).toEqual(["running", 1, "wave 1 of 2 is done and well; the next may begin in 10s"]);
    expect(at(9 * SECOND, sick)).toEqual(["running", 1, "after wave 1 of 2: up is 0"]);
    at(10 * SECOND, WELL);
    expect(at(20 * SECOND - 1, WELL)[1]).toBe(1);
    expect(at(20 * SECOND, WELL)).toEqual(["running", 2, ""]);
    rollout = madeRollout();
    at(0, sick);
    expect(at(5 * MINUTE - 1, sick)[0]).toBe("running");
    expect(at(5 * MINUTE, sick)[0]).toBe("stopped");
    expect(rollout.because).toBe("after wave 1 of 2: up is 0");
  });

  test("has not succeeded when nothing was done", () => {
    const none = [madeTarget("a", { state: "drifted" })];
    const last = madeRollout({ wave: 2, gateFrom: 0, gateSince: 0 });
    expect(nextRollout(last, none, facts([]), 10 * SECOND).rollout).toMatchObject({
      state: "stopped",
      because: "0 of 1 targets are done, in 2 waves",
    });
  });

  test("ends a rollout of which no target could be planned, and one that nobody let run", () => {
    const planning = madeRollout({ state: "planning", planHash: "", wave: 0, waves: 0 });
    const refused = [madeTarget("a", { state: "planning", wave: 0 })];
    expect(nextRollout(planning, refused, facts([madeView("a", "refused")]), 1).rollout).toMatchObject({
      state: "expired",
      because: "none of 1 targets could be planned: it is refused",
    });
    const late = nextRollout(madeRollout({ state: "planned" }), [madeTarget("a")], facts([]), 60 * MINUTE);
    expect(late).toMatchObject({ rollout: { state: "expired" }, targets: [{ state: "cancelled" }] });
  });

  test("cancels what drifted and what an abort finds open", () => {
    const drifted = [madeTarget("a", { state: "drifted" }), madeTarget("b", { state: "running" })];
    const commands = new Map(
      [madeView("a", "planned"), madeView("b", "running")].map((one) => [one.id, one]),
    );
    const kinds = (rollout: ReturnType<typeof madeRollout>) =>
      chooseEffects(rollout, drifted, commands).map(({ kind, target }) => [kind, target.nodeName]);
    expect(kinds(madeRollout())).toEqual([["cancel", "a"]]);
    expect(kinds(madeRollout({ state: "aborted" }))).toEqual([
      ["cancel", "a"],
      ["cancel", "b"],
    ]);
  });
});

describe("people", () => {
  const targets = [madeTarget("a")];
  const waiting = madeRollout({ state: "awaiting-approval", approvals: 2, wave: 0 });
  const vote = (by: Actor, more: object = {}) => ({
    by,
    roles: ["approver"] as const,
    planHash: "plan",
    reason: "",
    ...more,
  });

  test("apply what they have read", () => {
    const planned = madeRollout({ state: "planned", wave: 0, startedAt: undefined });
    expect(afterApply(planned, targets, ANN, "another", 1).kind).toBe("keep");
    expect(afterApply(planned, targets, ANN, "plan", 60 * MINUTE).kind).toBe("keep");
    expect(afterApply(planned, targets, ANN, "plan", 1)).toMatchObject({
      step: { rollout: { state: "running", wave: 1, startedAt: 1 } },
    });
    expect(afterApply({ ...planned, approvals: 1 }, targets, ANN, "plan", 1)).toMatchObject({
      step: { rollout: { state: "awaiting-approval", because: "it waits for another person" } },
    });
  });

  test("approve what others asked for, each once, in the role that it takes", () => {
    const denied = (decision: ReturnType<typeof afterApproval>) =>
      decision.kind === "keep" ? [decision.denied, decision.because] : "changed";
    expect(denied(afterApproval(waiting, targets, vote(ANN), 1))).toEqual([
      true,
      "ann requested it, so another must approve it",
    ]);
    expect(denied(afterApproval(waiting, targets, vote({ kind: "mcp", name: "m" }), 1))).toEqual([
      true,
      'mcp "m" is not a person',
    ]);
    const admins = { ...waiting, approver: "admin" as const };
    expect(denied(afterApproval(admins, targets, vote(BOB), 1))).toEqual([
      true,
      "it asks for role admin; bob has approver",
    ]);
    const once = afterApproval(waiting, targets, vote(BOB), 1);
    if (once.kind !== "change") throw new Error(once.because);
    expect(once.step.rollout).toMatchObject({
      state: "awaiting-approval",
      because: "bob approved it; 1 more must",
    });
    expect(denied(afterApproval(once.step.rollout, targets, vote(BOB), 2))).toEqual([
      true,
      "bob approved it already, so another must",
    ]);
    const cat: Actor = { kind: "human", name: "cat" };
    expect(afterApproval(once.step.rollout, targets, vote(cat), 2)).toMatchObject({
      step: { rollout: { state: "running", because: "bob and cat approved it" } },
    });
  });

  test.each<{ who: string; asked: Actor; by: Actor; told: string }>([
    {
      who: "a person, for what their own client asked for",
      asked: { kind: "mcp", name: "claude for ann@https://idp.example" },
      by: { kind: "human", name: "ann" },
      told: "ann requested it, so another must approve it",
    },
    {
      who: "a client that votes for the person who signed in through it",
      asked: ANN,
      by: { kind: "mcp", name: "cursor for bob@https://idp.example" },
      told: 'mcp "cursor for bob@https://idp.example" is not a person',
    },
    {
      who: "a client for a person whose other client asked for it",
      asked: { kind: "mcp", name: "claude for bob@https://idp.example" },
      by: { kind: "mcp", name: "cursor for bob@https://idp.example" },
      told: 'mcp "cursor for bob@https://idp.example" is not a person',
    },
  ])("do not approve as $who", ({ asked, by, told }) => {
    expect(afterApproval({ ...waiting, requestedBy: asked }, targets, vote(by), 1)).toMatchObject({
      kind: "keep",
      denied: true,
      because: told,
    });
  });

  test("approve what a client asked for that another person has signed in through", () => {
    const asked: Actor = { kind: "mcp", name: "claude for ann@https://idp.example" };
    expect(
      afterApproval({ ...waiting, approvals: 1, requestedBy: asked }, targets, vote(BOB), 1),
    ).toMatchObject({
      step: { rollout: { state: "running", because: "bob approved it" } },
    });
  });

  test("forgive what failed when they resume what stopped", () => {
    const failed = [madeTarget("a", { state: "failed" }), madeTarget("b")];
    expect(afterResume(madeRollout({ state: "stopped" }), failed, BOB, "known", 1)).toMatchObject({
      step: { rollout: { state: "running", forgiven: 1, because: "bob resumed it: known" } },
    });
    expect(afterResume(madeRollout({ state: "paused" }), failed, BOB, "", 1)).toMatchObject({
      step: { rollout: { forgiven: 0 } },
    });
    expect(afterResume(madeRollout({ state: "stopped" }), failed, BOB, "", 60 * MINUTE).kind).toBe("keep");
  });

  test("end it once", () => {
    expect(afterAbort(madeRollout(), targets, BOB, "enough", 1)).toMatchObject({
      step: {
        rollout: { state: "aborted" },
        targets: [{ state: "cancelled", because: "bob aborted it: enough" }],
      },
    });
    expect(afterAbort(madeRollout({ state: "succeeded" }), targets, BOB, "", 1).kind).toBe("keep");
    expect(afterRejection(madeRollout(), targets, BOB, "", 1).kind).toBe("keep");
    expect(afterRejection(waiting, targets, BOB, "", 1)).toMatchObject({
      step: { rollout: { state: "rejected" } },
    });
  });
});

test.each([
  ["a scalar that is not zero", { kind: "scalar", timestamp: 0, value: 2 }, "healthy"],
  ["a scalar that is zero", { kind: "scalar", timestamp: 0, value: 0 }, "unhealthy"],
  ["no sample", { kind: "vector", samples: [] }, "unhealthy"],
  ["samples that are one", { kind: "vector", samples: [{ labels: {}, timestamp: 0, value: 1 }] }, "healthy"],
  [
    "a sample that is none",
    { kind: "vector", samples: [{ labels: {}, timestamp: 0, value: NaN }] },
    "unhealthy",
  ],
  ["a text", { kind: "string", timestamp: 0, value: "x" }, "unknown"],
] as const)("a gate that gives %s", (_, value, kind) => {
  expect(judgeGate("up", { ...value, warnings: [], infos: [] }).kind).toBe(kind);
});

describe("all targets together", () => {
  const policy: Policy = {
    ...DENY_ALL,
    twoPersons: { irreversible: true, overRoleShare: 0.5 },
    rules: [
      { name: "not the ledger", nodes: { role: "ledger" }, verdict: "deny" },
      { name: "all", verdict: "ask" },
    ],
  };
  const judge = (targets: readonly Target[], sizes: Record<string, number>) =>
    judgeReach(
      madeRollout(),
      targets,
      { policy, topology: [], roleSizes: new Map(Object.entries(sizes)) },
      0,
    );
  const web = ["a", "b", "c"].map((name) => madeTarget(name));

  test("need two people when they are more than a share of a role, though none of them is alone", () => {
    expect(judge(web, { web: 6 })).toMatchObject({ verdict: "ask", approvals: 1 });
    expect(judge(web, { web: 5 })).toMatchObject({
      verdict: "ask",
      approvals: 2,
      because: expect.stringContaining("60 % of the role's nodes"),
    });
  });

  test("are denied when policy denies one of them", () => {
    expect(
      judge([...web, madeTarget("l", { labels: { role: "ledger" } })], { web: 9, ledger: 9 }),
    ).toMatchObject({
      verdict: "deny",
      because: 'l: policy rule "not the ledger" denies it',
    });
  });
});
