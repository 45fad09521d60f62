/** A step in one line, for people. */
import { formatDuration } from "../../kernel/time.js";
import type { Expect } from "./expectation.js";
import type { Step, Value } from "./runbook.js";

const valueText = (value: Value): string =>
  typeof value === "object" ? `$${value.parameter}` : JSON.stringify(value);

const pairs = (values: Readonly<Record<string, Value>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${valueText(value)}`)
    .join(" ");

export function expectText(expect: Expect): string {
  if (typeof expect === "string") return expect;
  return Object.entries(expect)
    .map(([what, comparison]) => `${what} ${comparison}`)
    .join(" ");
}

export function detailOf(step: Step): string {
  switch (step.kind) {
    case "action": {
      const where =
        step.node === undefined ? `nodes with ${pairs(step.selector ?? {})}` : `node ${valueText(step.node)}`;
      const what = [step.action, pairs(step.arguments)].filter((part) => part !== "").join(" ");
      const verify =
        step.verify === undefined
          ? ""
          : `; verified by ${step.verify.query}, expected ${expectText(step.verify.expect)}`;
      return `${what} on ${where}${verify}`;
    }
    case "query":
      return `${step.query}, expected ${expectText(step.expect)}`;
    case "wait": {
      if ("until" in step.wait)
        return `until ${step.wait.until} gives ${expectText(step.wait.expect)}, at most ${formatDuration(step.wait.within)}`;
      const { for: length } = step.wait;
      return typeof length === "number" ? formatDuration(length) : valueText(length);
    }
    case "approval":
      return `role ${step.approval.role}: ${step.approval.reason}`;
    case "runbook":
      return [step.runbook, pairs(step.parameters)].filter((part) => part !== "").join(" ");
  }
}
