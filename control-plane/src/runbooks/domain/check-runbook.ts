/** What is wrong with a runbook that is well formed, and what could be better. */

import { daysSinceEpoch } from "../../kernel/civil-time.js";
import { messageOf } from "../../kernel/errors.js";
import { DAY, type Instant } from "../../kernel/time.js";
import { typeOf } from "../../promql/check.js";
import { parseExpr } from "../../promql/parse.js";
import { parseCron } from "./cron.js";
import { KNOWN_ACTIONS } from "./known-actions.js";
import {
  accepts,
  allowedBy,
  bindParameters,
  fillQuery,
  type Parameter,
  type Parameters,
  type ParameterValue,
  parametersOfQuery,
  sampleOf,
} from "./parameter.js";
import type { ActionStep, LineOf, Runbook, RunbookStep, Step, Value } from "./runbook.js";

/** `line` is counted from 1. */
export interface Remark {
  readonly line: number;
  readonly severity: "fault" | "warning";
  readonly message: string;
}

export interface CheckedAgainst {
  /** The other runbooks, by name. */
  readonly others: ReadonlyMap<string, Runbook>;
  readonly lineOf: LineOf;
}

type Path = readonly (string | number)[];
type Say = (severity: Remark["severity"], path: Path, message: string) => void;

/** All remarks, in the order of their lines. Never throws. */
export function checkRunbook(book: Runbook, { others, lineOf }: CheckedAgainst): readonly Remark[] {
  const remarks: Remark[] = [];
  const used = new Set<string>();
  const say: Say = (severity, path, message) => {
    remarks.push({ line: lineOf(path), severity, message: `${path.join(".")}: ${message}` });
  };
  checkParameters(book.parameters, say);
  const seen = new Set<string>();
  for (const [index, step] of book.steps.entries()) {
    const path: Path = ["steps", index];
    if (seen.has(step.id)) say("fault", [...path, "id"], `there are two steps "${step.id}"`);
    for (const [nth, needed] of (step.needs ?? []).entries())
      if (!seen.has(needed)) say("fault", [...path, "needs", nth], `"${needed}" is no step before this one`);
    seen.add(step.id);
    checkStep(book, step, path, seen, used, say);
    if (step.kind === "runbook") checkNested(book, step, path, others, say);
  }
  for (const name of Object.keys(book.parameters))
    if (!used.has(name)) say("warning", ["parameters", name], "no step uses it");
  checkSchedule(book, say);
  return remarks.sort((a, b) => a.line - b.line);
}

/** Days by which the last review is too long ago; 0 when it is not. */
export function daysOverdue({ lastReviewed, reviewDays }: Runbook, now: Instant): number {
  const [year = 0, month = 1, day = 1] = lastReviewed.split("-").map(Number);
  return Math.max(0, Math.floor(now / DAY) - daysSinceEpoch(year, month, day) - reviewDays);
}

function checkParameters(parameters: Parameters, say: Say): void {
  for (const [name, parameter] of Object.entries(parameters)) {
    if (parameter.default !== undefined && !accepts(parameter, parameter.default))
      say(
        "fault",
        ["parameters", name, "default"],
        `${JSON.stringify(parameter.default)} is not ${allowedBy(parameter)}`,
      );
    if (parameter.type === "integer" && parameter.min > parameter.max)
      say("fault", ["parameters", name, "min"], `${parameter.min} is more than max, ${parameter.max}`);
  }
}

function checkStep(
  book: Runbook,
  step: Step,
  path: Path,
  before: ReadonlySet<string>,
  used: Set<string>,
  say: Say,
): void {
  const use = (name: string, at: Path): Parameter | undefined => {
    used.add(name);
    const parameter = book.parameters[name];
    if (parameter === undefined) say("fault", at, `there is no parameter "${name}"`);
    return parameter;
  };
  const useValue = (value: Value, at: Path): Parameter | undefined =>
    typeof value === "object" ? use(value.parameter, [...at, "parameter"]) : undefined;
  const question = (query: string, at: Path): void => {
    const names = parametersOfQuery(query);
    if (names.filter((name) => use(name, at) === undefined).length > 0) return;
    const fault = faultOfQuery(query, book.parameters);
    if (fault !== undefined) say("fault", at, fault);
  };
  for (const [index, condition] of step.when.entries()) {
    const at = [...path, "when", index];
    if ("query" in condition) question(condition.query, [...at, "query"]);
    else if ("parameter" in condition) {
      const parameter = use(condition.parameter, [...at, "parameter"]);
      if (parameter !== undefined && !accepts(parameter, condition.equals))
        say("fault", [...at, "equals"], `it never is: ${condition.parameter} is ${allowedBy(parameter)}`);
    } else if (condition.step === step.id || !before.has(condition.step))
      say("fault", [...at, "step"], `"${condition.step}" is no step before this one`);
  }
  switch (step.kind) {
    case "action":
      checkAction(step, path, useValue, question, say);
      return;
    case "query":
      question(step.query, [...path, "query"]);
      return;
    case "wait": {
      const at = [...path, "wait", "for"];
      if ("until" in step.wait) question(step.wait.until, [...path, "wait", "until"]);
      else if (
        typeof step.wait.for === "object" &&
        (useValue(step.wait.for, at)?.type ?? "duration") !== "duration"
      )
        say("fault", at, `parameter "${step.wait.for.parameter}" is no duration`);
      return;
    }
    case "runbook":
      for (const [name, value] of Object.entries(step.parameters))
        useValue(value, [...path, "parameters", name]);
      return;
    case "approval":
      return;
  }
}

function checkAction(
  step: ActionStep,
  path: Path,
  useValue: (value: Value, at: Path) => Parameter | undefined,
  question: (query: string, at: Path) => void,
  say: Say,
): void {
  if ((step.node === undefined) === (step.selector === undefined))
    say("fault", path, "an action has a node or a selector, and not both");
  if (step.node !== undefined) {
    const parameter = useValue(step.node, [...path, "node"]);
    if (parameter !== undefined && parameter.type !== "node")
      say("fault", [...path, "node"], `its parameter is of type ${parameter.type}, expected node`);
  }
  if (step.selector !== undefined && Object.keys(step.selector).length === 0)
    say("fault", [...path, "selector"], "an empty selector means every node; name at least one label");
  for (const [label, value] of Object.entries(step.selector ?? {}))
    useValue(value, [...path, "selector", label]);

  const known = KNOWN_ACTIONS.get(step.action);
  if (known === undefined)
    say(
      "fault",
      [...path, "action"],
      `no agent has an action "${step.action}"; known are ${[...KNOWN_ACTIONS.keys()].join(", ")}`,
    );
  for (const [name, value] of Object.entries(step.arguments)) {
    const at = [...path, "arguments", name];
    const parameter = useValue(value, at);
    if (known === undefined) continue;
    const wanted = known.required[name] ?? known.optional[name];
    const given = parameter === undefined ? typeof value : typeof sampleOf(parameter);
    if (wanted === undefined) say("fault", at, `${step.action} has no argument "${name}"`);
    else if (given !== "object" && given !== wanted)
      say("fault", at, `it is a ${given}, ${step.action} wants a ${wanted}`);
  }
  for (const name of Object.keys(known?.required ?? {}))
    if (!Object.hasOwn(step.arguments, name))
      say("fault", [...path, "arguments"], `${step.action} needs the argument "${name}"`);

  if (step.verify !== undefined) question(step.verify.query, [...path, "verify", "query"]);
  else if (known?.looks !== true)
    say(
      "fault",
      path,
      `"${step.id}" changes something and nothing verifies it; add verify with a query that shows that it helped`,
    );
}

/** Why the query would be refused; it is tried with values that the parameters may have. */
function faultOfQuery(query: string, parameters: Parameters): string | undefined {
  const values: Record<string, ParameterValue> = {};
  for (const [name, parameter] of Object.entries(parameters)) values[name] = sampleOf(parameter);
  try {
    const type = typeOf(parseExpr(fillQuery(query, parameters, values)));
    return type === "vector" || type === "scalar"
      ? undefined
      : `the query gives a ${type === "matrix" ? "range vector" : type}, expected an instant vector or a number`;
  } catch (error) {
    return messageOf(error);
  }
}

function checkNested(
  book: Runbook,
  step: RunbookStep,
  path: Path,
  others: ReadonlyMap<string, Runbook>,
  say: Say,
): void {
  const inner = step.runbook === book.name ? book : others.get(step.runbook);
  if (inner === undefined) {
    say("fault", [...path, "runbook"], `there is no runbook "${step.runbook}"`);
    return;
  }
  const cycle = cycleFrom(book, step.runbook, others);
  if (cycle !== undefined) {
    say("fault", [...path, "runbook"], `a runbook may not contain itself: ${cycle.join(" → ")}`);
    return;
  }
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(step.parameters)) {
    if (typeof value !== "object") given[name] = value;
    else {
      const outer = book.parameters[value.parameter];
      const wanted = inner.parameters[name];
      if (outer === undefined) continue;
      if (wanted !== undefined && outer.type !== wanted.type)
        say(
          "fault",
          [...path, "parameters", name],
          `parameter "${value.parameter}" is of type ${outer.type}, ${inner.name} wants ${wanted.type}`,
        );
      given[name] = wanted === undefined ? sampleOf(outer) : sampleOf(wanted);
    }
  }
  const bound = bindParameters(inner.parameters, given);
  // A sample need not match a pattern: of what comes from a parameter only the type can be judged here.
  const referred = new Set(
    Object.entries(step.parameters).flatMap(([name, value]) => (typeof value === "object" ? [name] : [])),
  );
  for (const fault of "faults" in bound ? bound.faults : [])
    if (![...referred].some((name) => fault.startsWith(`parameter "${name}" is `)))
      say("fault", [...path, "parameters"], `${inner.name}: ${fault}`);
}

/** The way from the book back to itself, through `first`. */
function cycleFrom(
  book: Runbook,
  first: string,
  others: ReadonlyMap<string, Runbook>,
): readonly string[] | undefined {
  const visited = new Set<string>();
  const walk = (name: string, way: readonly string[]): readonly string[] | undefined => {
    if (name === book.name) return [...way, name];
    if (visited.has(name)) return undefined;
    visited.add(name);
    for (const step of others.get(name)?.steps ?? []) {
      if (step.kind !== "runbook") continue;
      const found = walk(step.runbook, [...way, name]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return walk(first, [book.name]);
}

function checkSchedule({ schedule, parameters }: Runbook, say: Say): void {
  if (schedule === undefined) return;
  const cron = parseCron(schedule.cron, schedule.timeZone);
  if (typeof cron === "string") say("fault", ["schedule", "cron"], cron);
  const bound = bindParameters(parameters, schedule.parameters);
  for (const fault of "faults" in bound ? bound.faults : []) say("fault", ["schedule", "parameters"], fault);
}
