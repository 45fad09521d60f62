import { describe, expect, test } from "vitest";
import { madeCommand, madePlan, REQUESTED_AT } from "../../commands/testing/made-command.js";
import { MINUTE, SECOND } from "../../kernel/time.js";
import { chooseRemediation } from "./choose-remediation.js";
import {
  fillArguments,
  NO_REMEDIATION,
  parseRemediation,
  quotedValue,
  type RemediationRule,
  ruleFor,
  verificationExpr,
} from "./remediation.js";
import { scoreEffect } from "./score-effect.js";
import { type Evidence, verifyRemediation } from "./verify-remediation.js";

/** A placeholder as a file has it. */
const label = (name: string): string => `$`.concat(`{labels.${name}}`);

function read(...rules: readonly object[]): readonly RemediationRule[] {
  const parsed = parseRemediation({ rules }, () => 1);
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  return parsed.value.rules;
}
function readOne(made: object): RemediationRule {
  const [first] = read(made);
  if (first === undefined) throw new Error("no rule");
  return first;
}

const rule = readOne({
  alert: "DiskSpaceLow",
  match: { role: "db" },
  action: "clean-directory",
  arguments: { path: `${label("mountpoint")}/tmp`, minAgeSeconds: 60 },
  verify: "alert",
  cooldown: "10m",
});
const ladder = readOne({
  alert: "ServiceDown",
  verify: { service: "nginx.service" },
  steps: [
    { action: "reload-service" },
    { name: "restart", action: "restart-service", attempts: 2, timeout: "2m" },
  ],
  cooldown: "10m",
});
const ended = { changedAt: REQUESTED_AT };
const undoable = madePlan({
  inverse: { kind: "action", action: "put-back", argumentsJson: "{}" },
});

describe("the choice for a firing alert", () => {
  test.each([
    ["acts when nothing was tried", [], 0, "act"],
    ["waits for a command under way", [madeCommand("running")], 0, "wait"],
    ["waits for a plan to be approved", [madeCommand("awaiting-approval")], 0, "wait"],
    [
      "waits for the condition to clear",
      [madeCommand("succeeded", { verification: "pending" })],
      99 * MINUTE,
      "wait",
    ],
    ["gives up when it was refused", [madeCommand("refused")], 99 * MINUTE, "give-up"],
    ["gives up when a person cancelled it", [madeCommand("cancelled")], 99 * MINUTE, "give-up"],
    ["waits out the cooldown", [madeCommand("failed", ended)], 10 * MINUTE - 1, "wait"],
    ["tries again after the cooldown", [madeCommand("failed", ended)], 10 * MINUTE, "act"],
    [
      "waits twice as long the second time",
      [madeCommand("failed", ended), madeCommand("failed", ended)],
      20 * MINUTE - 1,
      "wait",
    ],
    ["tries a third time", [madeCommand("failed", ended), madeCommand("failed", ended)], 20 * MINUTE, "act"],
    ["calls a person after the third", Array(3).fill(madeCommand("failed", ended)), 999 * MINUTE, "give-up"],
  ] as const)("%s", (_, attempts, later, kind) => {
    expect(chooseRemediation(rule, attempts, undefined, REQUESTED_AT + later).kind).toBe(kind);
  });

  test("climbs at once to the next step, and repeats a step only after the cooldown", () => {
    const failed = madeCommand("failed", ended);
    const at = (attempts: number, later: number) =>
      chooseRemediation(ladder, Array(attempts).fill(failed), undefined, REQUESTED_AT + later);
    expect(at(0, 0)).toMatchObject({ kind: "act", attempt: 1, step: { name: "reload-service" } });
    expect(at(1, 0)).toMatchObject({
      kind: "act",
      attempt: 2,
      step: { name: "restart" },
      because: "ServiceDown still fires after attempt 1; the next step is restart",
    });
    expect(at(2, 10 * MINUTE - 1).kind).toBe("wait");
    expect(at(2, 10 * MINUTE)).toMatchObject({ kind: "act", attempt: 3, step: { name: "restart" } });
    expect(at(3, 999 * MINUTE)).toEqual({
      kind: "give-up",
      because: "3 of 3 attempts (reload-service, restart) did not clear it; a person is needed",
    });
  });

  test("takes back what did not help before it goes on, where it has an inverse", () => {
    const useless = madeCommand("succeeded", { ...ended, verification: "not-cleared", plan: undoable });
    const choose = (made: RemediationRule, command: typeof useless, undoing?: typeof useless) =>
      chooseRemediation(made, [command], undoing, REQUESTED_AT).kind;
    expect(choose(ladder, useless)).toBe("undo");
    expect(choose(ladder, useless, madeCommand("running"))).toBe("wait");
    expect(choose(ladder, useless, madeCommand("succeeded"))).toBe("act");
    // An inverse that failed is for a person to see; the ladder is not kept by it.
    expect(choose(ladder, useless, madeCommand("failed"))).toBe("act");
    expect(choose({ ...ladder, undo: false }, useless)).toBe("act");
    expect(choose(ladder, { ...useless, state: "failed" })).toBe("act");
    expect(choose(ladder, { ...useless, plan: madePlan({ inverse: { kind: "irreversible" } }) })).toBe("act");
  });
});

describe("verification", () => {
  const alert = (firing: boolean): Evidence => ({
    kind: "alert",
    firing,
    clearedAt: firing ? undefined : REQUESTED_AT + MINUTE,
  });
  const check = (holds: boolean, at: number): Evidence => ({
    kind: "check",
    holds,
    at: REQUESTED_AT + at,
    because: "up is 1",
  });
  test.each([
    ["waits while it runs", madeCommand("running"), alert(false), 0, "wait"],
    ["says cleared when the condition went", madeCommand("succeeded"), alert(false), 0, "cleared"],
    ["waits while there is time", madeCommand("succeeded"), alert(true), 10 * MINUTE - 1, "wait"],
    [
      "says not cleared when there is none",
      madeCommand("succeeded"),
      alert(true),
      10 * MINUTE,
      "not-cleared",
    ],
    ["does not wait for what failed", madeCommand("failed"), alert(true), 0, "not-cleared"],
    ["takes a check that holds afterwards", madeCommand("succeeded"), check(true, 1), SECOND, "cleared"],
    ["takes no check from before the end", madeCommand("succeeded"), check(true, 0), SECOND, "wait"],
    ["waits for a check that does not hold", madeCommand("succeeded"), check(false, 1), MINUTE, "wait"],
    ["not for ever", madeCommand("succeeded"), check(false, 1), 10 * MINUTE, "not-cleared"],
    ["takes no check for a command that failed", madeCommand("failed"), check(true, 1), 0, "not-cleared"],
  ] as const)("%s", (_, command, evidence, later, kind) => {
    expect(verifyRemediation(command, evidence, 10 * MINUTE, REQUESTED_AT + later).kind).toBe(kind);
  });

  test("asks for what the rule names, and no label can say more than a value", () => {
    expect(verificationExpr(rule, {})).toBeUndefined();
    expect(verificationExpr(ladder, {})).toEqual({ kind: "missing", label: "node" });
    expect(verificationExpr(ladder, { node: 'a"} or up{b="' })).toEqual({
      kind: "filled",
      value: 'node_systemd_unit_state{node="a\\"} or up{b=\\"",name="nginx.service",state="active"}',
    });
    const sli = readOne({
      alert: "A",
      action: "b",
      verify: { sli: `probe_success{instance="${label("instance")}"} == 1` },
    });
    expect(verificationExpr(sli, { instance: "x\n" })).toEqual({
      kind: "filled",
      value: 'probe_success{instance="x\\n"} == 1',
    });
    expect(quotedValue("a\\")).toBe("a\\\\");
  });
});

describe("the score of an action against an alert", () => {
  const policy = { ...NO_REMEDIATION.effects, tries: 4, score: 0.5 };
  test.each([
    ["nothing tried", 0, 0, false],
    ["too few tries to tell", 3, 0, false],
    ["exactly the share expected", 4, 2, false],
    ["one less", 4, 1, true],
    ["never", 10, 0, true],
    ["always", 10, 10, false],
  ] as const)("%s: %i tries, %i helped, demoted: %s", (_, tries, helped, demoted) => {
    expect(scoreEffect({ tries, helped }, policy).demoted).toBe(demoted);
  });

  test("says why", () => {
    expect(scoreEffect({ tries: 4, helped: 1 }, policy).because).toBe(
      "demoted: it helped 1 of 4 times, at least 50 % are expected; a person has to approve it",
    );
  });
});

describe("a remediation rule", () => {
  test("is found by alert name and labels", () => {
    expect(ruleFor([rule], { alertname: "DiskSpaceLow", role: "db" })).toBe(rule);
    expect(ruleFor([rule], { alertname: "DiskSpaceLow", role: "web" })).toBeUndefined();
    expect(ruleFor([rule], { alertname: "Other", role: "db" })).toBeUndefined();
  });

  test("takes labels as values, whatever they say", () => {
    const [step] = rule.ladder;
    if (step === undefined) throw new Error("no step");
    expect(fillArguments(step, { mountpoint: `/$(reboot)${label("x")}` })).toEqual({
      kind: "filled",
      value: { path: `/$(reboot)${label("x")}/tmp`, minAgeSeconds: 60 },
    });
    expect(fillArguments(step, {})).toEqual({ kind: "missing", label: "mountpoint" });
  });

  test.each([
    [
      { alert: "A", action: "b", verify: "alert", cooldown: "soon" },
      '3: rules.0.cooldown: not a duration: "soon", expected such as 30s, 5m or 1h',
    ],
    [
      { alert: "A", action: "b", verify: "alert", timeout: "59s" },
      '3: rules.0.timeout: not a duration of at least 1m: "59s", expected such as 30s, 5m or 1h',
    ],
    [
      { alert: "A", action: "b" },
      '3: rules.0.verify: expected alert, { service: "NAME" } or { sli: "EXPRESSION" }: no action without a verification',
    ],
    [{ alert: "A", verify: "alert" }, "3: rules.0: expected either action or steps"],
    [
      { alert: "A", action: "b", steps: [{ action: "c" }], verify: "alert" },
      "3: rules.0: expected either action or steps",
    ],
  ])("names its faults: %j", (made, fault) => {
    expect(parseRemediation({ rules: [made] }, () => 3)).toEqual({ faults: [fault] });
  });
});
