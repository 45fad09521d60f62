/**
 * A runbook made ready to be carried out once: parameters in place, runbooks within it laid out, nothing left to look up.
 * It is stored with its run, so that a file that changes meanwhile changes no run.
 */
import { canonicalJson } from "../../kernel/canonical-json.js";
import { type Duration, parseDuration } from "../../kernel/time.js";
import type { Absent, Expect } from "./expectation.js";
import { bindParameters, fillQuery, type ParameterValue, type ParameterValues } from "./parameter.js";
import type { Condition, Runbook, Step, Value } from "./runbook.js";

export interface Question {
  /** PromQL, with the parameters in place. */
  readonly query: string;
  readonly expect: Expect;
  readonly absent: Absent;
}

export type ProgramCondition =
  | { readonly kind: "step"; readonly step: string; readonly is: "succeeded" | "failed" | "skipped" }
  | { readonly kind: "constant"; readonly holds: boolean; readonly because: string }
  | ({ readonly kind: "question" } & Question);

export type Work =
  | {
      readonly kind: "action";
      readonly action: string;
      readonly argumentsJson: string;
      readonly target:
        | { readonly kind: "node"; readonly node: string }
        | { readonly kind: "selector"; readonly labels: Readonly<Record<string, string>> };
      readonly atOnce: number;
      readonly verify: (Question & { readonly within: Duration }) | undefined;
    }
  | ({ readonly kind: "query" } & Question)
  | { readonly kind: "pause"; readonly length: Duration }
  | ({ readonly kind: "wait" } & Question)
  | { readonly kind: "approval"; readonly role: "approver" | "admin"; readonly reason: string }
  /** Ends when the steps within it have. */
  | { readonly kind: "group"; readonly runbook: string };

export interface ProgramStep {
  /** `outer/inner` for a step of a runbook within. */
  readonly id: string;
  /** The group it is in; undefined at the top. */
  readonly parent: string | undefined;
  readonly summary: string;
  /** Steps that have to end first; all of the same group. */
  readonly needs: readonly string[];
  readonly when: readonly ProgramCondition[];
  readonly onFailure: "stop" | "continue" | "undo";
  /** Of one attempt. */
  readonly timeout: Duration;
  readonly attempts: number;
  readonly pause: Duration;
  readonly work: Work;
}

export interface Program {
  readonly runbook: string;
  /** Each after those it needs, and after its group. */
  readonly steps: readonly ProgramStep[];
}

export const PROGRAM_STEPS_MAX = 300;
const DEPTH_MAX = 8;
const GROUP_TIMEOUT: Duration = 7 * 24 * 3_600_000;

/** The program of a runbook with these parameters, or every reason why there is none. */
export function layOut(
  book: Runbook,
  given: Readonly<Record<string, unknown>>,
  others: ReadonlyMap<string, Runbook>,
): { readonly program: Program; readonly values: ParameterValues } | { readonly faults: readonly string[] } {
  const bound = bindParameters(book.parameters, given);
  if ("faults" in bound) return bound;
  const faults: string[] = [];
  const steps: ProgramStep[] = [];
  place(book, bound.values, undefined, 1, { others, faults, steps });
  if (steps.length > PROGRAM_STEPS_MAX)
    faults.push(
      `it has ${steps.length} steps with those of the runbooks within it, at most ${PROGRAM_STEPS_MAX}`,
    );
  return faults.length > 0 ? { faults } : { program: { runbook: book.name, steps }, values: bound.values };
}

interface Site {
  readonly others: ReadonlyMap<string, Runbook>;
  readonly faults: string[];
  readonly steps: ProgramStep[];
}

function place(
  book: Runbook,
  values: ParameterValues,
  parent: string | undefined,
  depth: number,
  site: Site,
): void {
  const within = (id: string): string => (parent === undefined ? id : `${parent}/${id}`);
  let before: string | undefined;
  for (const step of book.steps) {
    const id = within(step.id);
    const needs = step.needs?.map(within) ?? (before === undefined ? [] : [before]);
    before = id;
    site.steps.push({
      id,
      parent,
      summary: step.summary,
      needs,
      when: step.when.map((condition) => placeCondition(condition, book, values, within)),
      onFailure: step.onFailure,
      ...pace(step, values),
      work: workOf(step, book, values),
    });
    if (step.kind !== "runbook") continue;
    const inner = site.others.get(step.runbook);
    if (inner === undefined) site.faults.push(`step "${id}": there is no runbook "${step.runbook}"`);
    else if (depth >= DEPTH_MAX)
      site.faults.push(`step "${id}": runbooks within runbooks go ${depth} deep, at most ${DEPTH_MAX}`);
    else {
      const given = Object.fromEntries(
        Object.entries(step.parameters).map(([name, value]) => [name, resolve(value, values)]),
      );
      const bound = bindParameters(inner.parameters, given);
      if ("faults" in bound) site.faults.push(...bound.faults.map((fault) => `step "${id}": ${fault}`));
      else place(inner, bound.values, id, depth + 1, site);
    }
  }
}

function pace(step: Step, values: ParameterValues): Pick<ProgramStep, "timeout" | "attempts" | "pause"> {
  const once = { attempts: 1, pause: 0 };
  switch (step.kind) {
    case "action":
      return { timeout: step.timeout, attempts: step.attempts, pause: step.pause };
    case "wait":
      return {
        timeout: "until" in step.wait ? step.wait.within : lengthOf(step.wait.for, values) * 2,
        ...once,
      };
    case "runbook":
      return { timeout: GROUP_TIMEOUT, ...once };
    default:
      return { timeout: step.timeout, ...once };
  }
}

function lengthOf(length: Duration | { readonly parameter: string }, values: ParameterValues): Duration {
  if (typeof length === "number") return length;
  return parseDuration(String(values[length.parameter] ?? "")) ?? 0;
}

function workOf(step: Step, book: Runbook, values: ParameterValues): Work {
  const question = (query: string, expect: Expect, absent: Absent): Question => ({
    query: fillQuery(query, book.parameters, values),
    expect,
    absent,
  });
  switch (step.kind) {
    case "action":
      return {
        kind: "action",
        action: step.action,
        argumentsJson: canonicalJson(mapped(step.arguments, values)),
        target:
          step.node !== undefined
            ? { kind: "node", node: String(resolve(step.node, values)) }
            : {
                kind: "selector",
                labels: Object.fromEntries(
                  Object.entries(mapped(step.selector ?? {}, values)).map(([name, value]) => [
                    name,
                    String(value),
                  ]),
                ),
              },
        atOnce: step.atOnce,
        verify:
          step.verify === undefined
            ? undefined
            : {
                ...question(step.verify.query, step.verify.expect, step.verify.absent),
                within: step.verify.within,
              },
      };
    case "query":
      return { kind: "query", ...question(step.query, step.expect, step.absent) };
    case "wait":
      return "until" in step.wait
        ? { kind: "wait", ...question(step.wait.until, step.wait.expect, step.wait.absent) }
        : { kind: "pause", length: lengthOf(step.wait.for, values) };
    case "approval":
      return { kind: "approval", role: step.approval.role, reason: step.approval.reason };
    case "runbook":
      return { kind: "group", runbook: step.runbook };
  }
}

function placeCondition(
  condition: Condition,
  book: Runbook,
  values: ParameterValues,
  within: (id: string) => string,
): ProgramCondition {
  if ("step" in condition) return { kind: "step", step: within(condition.step), is: condition.is };
  if ("parameter" in condition) {
    const value = values[condition.parameter];
    return {
      kind: "constant",
      holds: value === condition.equals,
      because: `${condition.parameter} is ${JSON.stringify(value)}`,
    };
  }
  const { expect, absent } = condition;
  return { kind: "question", query: fillQuery(condition.query, book.parameters, values), expect, absent };
}

const resolve = (value: Value, values: ParameterValues): ParameterValue =>
  typeof value === "object" ? (values[value.parameter] ?? "") : value;

const mapped = (
  written: Readonly<Record<string, Value>>,
  values: ParameterValues,
): Readonly<Record<string, ParameterValue>> =>
  Object.fromEntries(Object.entries(written).map(([name, value]) => [name, resolve(value, values)]));
