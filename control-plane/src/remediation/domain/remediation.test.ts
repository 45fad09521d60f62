import { describe, expect, test } from "vitest";
import { madeCommand, REQUESTED_AT } from "../../commands/testing/made-command.js";
import { MINUTE } from "../../kernel/time.js";
import { chooseRemediation } from "./choose-remediation.js";
import { fillArguments, parseRemediation, ruleFor } from "./remediation.js";
import { verifyRemediation } from "./verify-remediation.js";

const rules = (() => {
  const parsed = parseRemediation(
    {
      rules: [
        {
          alert: "DiskSpaceLow",
          match: { role: "db" },
          action: "clean-directory",
          arguments: { path: `$`.concat("{labels.mountpoint}/tmp"), minAgeSeconds: 60 },
          cooldown: "10m",
        },
      ],
    },
    () => 1,
  );
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  return parsed.value;
})();
const [rule] = rules;
if (rule === undefined) throw new Error("no rule");
const ended = { changedAt: REQUESTED_AT };

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
    expect(chooseRemediation(rule, attempts, REQUESTED_AT + later).kind).toBe(kind);
  });
});

describe("verification", () => {
  const standing = (firing: boolean) => ({ firing, clearedAt: firing ? undefined : REQUESTED_AT + MINUTE });
  test.each([
    ["waits while it runs", madeCommand("running"), standing(false), 0, "wait"],
    ["says cleared when the condition went", madeCommand("succeeded"), standing(false), 0, "cleared"],
    ["waits while there is time", madeCommand("succeeded"), standing(true), 10 * MINUTE - 1, "wait"],
    [
      "says not cleared when there is none",
      madeCommand("succeeded"),
      standing(true),
      10 * MINUTE,
      "not-cleared",
    ],
    ["does not wait for what failed", madeCommand("failed"), standing(true), 0, "not-cleared"],
  ] as const)("%s", (_, command, alert, later, kind) => {
    expect(verifyRemediation(command, alert, 10 * MINUTE, REQUESTED_AT + later).kind).toBe(kind);
  });
});

describe("a remediation rule", () => {
  test("is found by alert name and labels", () => {
    expect(ruleFor(rules, { alertname: "DiskSpaceLow", role: "db" })).toBe(rule);
    expect(ruleFor(rules, { alertname: "DiskSpaceLow", role: "web" })).toBeUndefined();
    expect(ruleFor(rules, { alertname: "Other", role: "db" })).toBeUndefined();
  });

  test("takes labels as values, whatever they say", () => {
    expect(fillArguments(rule, { mountpoint: "/$(reboot)" })).toEqual({
      kind: "filled",
      arguments: { path: "/$(reboot)/tmp", minAgeSeconds: 60 },
    });
    expect(fillArguments(rule, {})).toEqual({ kind: "missing", label: "mountpoint" });
  });

  test("names its faults", () => {
    expect(parseRemediation({ rules: [{ alert: "A", action: "b", cooldown: "soon" }] }, () => 3)).toEqual({
      faults: ['3: rules.0.cooldown: not a duration: "soon", expected such as 30s, 5m or 1h'],
    });
  });
});
