import { describe, expect, test } from "vitest";
import { parseYamlText } from "../../platform/yaml-text.js";
import { checkRunbook, daysOverdue } from "./check-runbook.js";
import { type LineOf, parseRunbook, type Runbook } from "./runbook.js";

const HEAD = `name: a
summary: s
owner: o
lastReviewed: 2026-11-01
`;
const load = (text: string): { book: Runbook; lineOf: LineOf } => {
  const read = parseYamlText("f", text, ({ value, lineOf }) => {
    const parsed = parseRunbook(value, lineOf);
    return "faults" in parsed ? parsed : { value: { book: parsed.value, lineOf } };
  });
  if ("faults" in read) throw new Error(read.faults.join("\n"));
  return read.value;
};
const remarks = (text: string, others: readonly string[] = []): readonly string[] => {
  const { book, lineOf } = load(text);
  const known = new Map(others.map((other) => load(other).book).map((other) => [other.name, other]));
  return checkRunbook(book, { others: known, lineOf }).map(
    ({ line, severity, message }) => `${line} ${severity} ${message}`,
  );
};
const faults = (text: string): readonly string[] => {
  const read = parseYamlText("f", text, ({ value, lineOf }) => parseRunbook(value, lineOf));
  return "faults" in read ? read.faults : [];
};

describe("a runbook's form", () => {
  test.each([
    [
      "no kind",
      "  - {id: x, summary: s}",
      "7: steps.0: a step has exactly one of action, query, wait, approval, runbook; this one has none",
    ],
    [
      "two kinds",
      "  - {id: x, summary: s, query: up, expect: some, runbook: b}",
      "this one has query and runbook",
    ],
    ["an unknown key", "  - {id: x, summary: s, query: up, expect: some, wihtin: 5m}", "Unrecognized key"],
    [
      "a bad comparison",
      "  - {id: x, summary: s, query: up, expect: {every: about 3}}",
      '7: steps.0.expect.every: "about 3" is no comparison',
    ],
    [
      "a bad duration",
      "  - {id: x, summary: s, query: up, expect: some, timeout: soon}",
      '"soon" is no duration from 1s to 1h',
    ],
    ["a bad id", "  - {id: X Y, summary: s, query: up, expect: some}", '"X Y" is no name'],
  ])("%s", (_, step, said) => {
    expect(faults(`${HEAD}steps:\n${step.replace("  - ", "  -\n    ")}`).join("\n")).toContain(said);
  });
});

describe("what is wrong with a runbook", () => {
  test.each([
    [
      "an action without verification",
      "{id: x, summary: s, action: rotate-logs, node: n, arguments: {log: app}}",
      'fault steps.0: "x" changes something and nothing verifies it',
    ],
    [
      "an unknown action",
      "{id: x, summary: s, action: format-disk, node: n, verify: {query: up, expect: some}}",
      'no agent has an action "format-disk"',
    ],
    [
      "an argument that it has not",
      "{id: x, summary: s, action: rotate-logs, node: n, arguments: {log: app, force: true}, verify: {query: up, expect: some}}",
      'steps.0.arguments.force: rotate-logs has no argument "force"',
    ],
    [
      "an argument that is missing",
      "{id: x, summary: s, action: rotate-logs, node: n, verify: {query: up, expect: some}}",
      'rotate-logs needs the argument "log"',
    ],
    [
      "an argument of the wrong type",
      "{id: x, summary: s, action: rotate-logs, node: n, arguments: {log: 3}, verify: {query: up, expect: some}}",
      "it is a number, rotate-logs wants a string",
    ],
    ["no target", "{id: x, summary: s, action: collect-diagnostics}", "an action has a node or a selector"],
    [
      "every node as target",
      "{id: x, summary: s, action: collect-diagnostics, selector: {}}",
      "an empty selector means every node",
    ],
    [
      "a parameter that is not there",
      "{id: x, summary: s, action: collect-diagnostics, node: {parameter: node}}",
      'there is no parameter "node"',
    ],
    [
      "a query that does not parse",
      "{id: x, summary: s, query: 'rate(up)', expect: some}",
      "expected type range vector in call to function",
    ],
    [
      "a range vector",
      "{id: x, summary: s, query: 'up[5m]', expect: some}",
      "the query gives a range vector",
    ],
    [
      "a parameter in a query",
      "{id: x, summary: s, query: 'up{a=$b}', expect: some}",
      'there is no parameter "b"',
    ],
    [
      "a need that comes later",
      "{id: x, summary: s, query: up, expect: some, needs: [y]}",
      '"y" is no step before this one',
    ],
    [
      "a condition on itself",
      "{id: x, summary: s, query: up, expect: some, when: [{step: x, is: failed}]}",
      '"x" is no step before this one',
    ],
    ["a runbook that is not there", "{id: x, summary: s, runbook: b}", 'there is no runbook "b"'],
    ["itself", "{id: x, summary: s, runbook: a}", "a runbook may not contain itself: a → a"],
  ])("%s", (_, step, said) => {
    expect(remarks(`${HEAD}steps:\n  - ${step}\n`).join("\n")).toContain(said);
  });

  test("a cycle through others is told with its way", () => {
    const b = `${HEAD.replace("name: a", "name: b")}steps:\n  - {id: x, summary: s, runbook: c}\n`;
    const c = `${HEAD.replace("name: a", "name: c")}steps:\n  - {id: x, summary: s, runbook: a}\n`;
    expect(remarks(`${HEAD}steps:\n  - {id: x, summary: s, runbook: b}\n`, [b, c]).join()).toContain(
      "a → b → c → a",
    );
  });

  test("a parameter of another type, or one that is missing, within", () => {
    const b = `${HEAD.replace("name: a", "name: b")}parameters:
  n: {type: integer, summary: s, min: 1, max: 2}
  m: {type: node, summary: s}
steps:\n  - {id: x, summary: s, query: 'up{node=$m} > $n', expect: some}\n`;
    const a = `${HEAD}parameters:\n  who: {type: node, summary: s}\nsteps:\n  - {id: x, summary: s, runbook: b, parameters: {n: {parameter: who}}}\n`;
    expect(remarks(a, [b])).toEqual([
      '8 fault steps.0.parameters.n: parameter "who" is of type node, b wants integer',
      '8 fault steps.0.parameters: b: parameter "m" is missing, expected a node\'s name or id',
    ]);
  });

  test("a schedule that cannot be kept, and a parameter nobody uses", () => {
    const text = `${HEAD}schedule: {cron: 0 25 * * *, timeZone: UTC}\nparameters:\n  n: {type: node, summary: s}\nsteps:\n  - {id: x, summary: s, query: up, expect: some}\n`;
    expect(remarks(text)).toEqual([
      '5 fault schedule.cron: "25" is no hour, expected 0 to 23, a range, * or */n',
      '5 fault schedule.parameters: parameter "n" is missing, expected a node\'s name or id',
      "7 warning parameters.n: no step uses it",
    ]);
  });

  test("nothing, when there is nothing", () => {
    expect(remarks(`${HEAD}steps:\n  - {id: x, summary: s, query: up, expect: some}\n`)).toEqual([]);
  });
});

test("a review is overdue on the day after its last", () => {
  const { book } = load(`${HEAD}reviewDays: 10\nsteps:\n  - {id: x, summary: s, query: up, expect: some}\n`);
  expect([
    daysOverdue(book, Date.parse("2026-11-11T23:59Z")),
    daysOverdue(book, Date.parse("2026-11-12T00:00Z")),
  ]).toEqual([0, 1]);
});
