/** The command policy on this machine: tested by cases, and explained for one request. Needs no control plane. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Policy, parsePolicy } from "#src/commands/domain/policy";
import {
  type CaseOutcome,
  type PolicyCase,
  parsePolicyCases,
  runPolicyCase,
} from "#src/commands/domain/policy-cases";
import { messageOf } from "#src/kernel/errors";
import { parseYamlText } from "#src/platform/yaml-text";
import { parseComponents, type Topology } from "#src/topology/domain/component";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { printable, render } from "../output.js";

type Parsed<T> = { readonly value: T } | { readonly faults: readonly string[] };

/** Throws {@link Failure} with every fault, each with its file and line. */
async function load<T>(
  path: string,
  parse: (value: unknown, lineOf: (path: readonly (string | number)[]) => number) => Parsed<T>,
): Promise<T> {
  const text = await readFile(path, "utf8").catch((error: unknown): never => {
    throw new Failure(messageOf(error));
  });
  const parsed = parseYamlText(path, text, ({ value, lineOf }) => parse(value, lineOf));
  if ("faults" in parsed) throw new Failure(parsed.faults.join("\n"));
  return parsed.value;
}

const loadPolicy = (path: string): Promise<Policy> =>
  load(path, (value) => {
    const parsed = parsePolicy(value);
    return "policy" in parsed
      ? { value: parsed.policy }
      : { faults: parsed.faults.map((fault) => ` ${fault}`) };
  });

async function loadTopology(path: string | undefined): Promise<Topology> {
  return path === undefined ? [] : load(path, parseComponents);
}

async function test(invocation: Invocation): Promise<ExitCode> {
  const outcomes: (CaseOutcome & { file: string })[] = [];
  for (const file of invocation.positionals) {
    const cases = await load(file, parsePolicyCases);
    const beside = (name: string | undefined): string | undefined =>
      name === undefined ? undefined : resolve(dirname(file), name);
    const policyPath = textFlag(invocation, "policy") ?? beside(cases.policy);
    if (policyPath === undefined)
      throw new Failure(`${file} names no policy; give --policy FILE, or a line "policy: FILE" in it`);
    const policy = await loadPolicy(policyPath);
    const topology = await loadTopology(textFlag(invocation, "components") ?? beside(cases.components));
    outcomes.push(...cases.cases.map((one) => ({ ...runPolicyCase(one, policy, topology), file })));
  }
  const failed = outcomes.filter(({ passed }) => !passed).length;
  invocation.write(
    render(invocation.form, outcomes, () =>
      [
        ...outcomes.flatMap(({ name, passed, decision, differences }) => [
          `${passed ? "ok    " : "FAILED"} ${printable(name)}: ${decision.verdict}, ${printable(decision.because)}`,
          ...differences.map((line) => `         ${line}`),
        ]),
        `${outcomes.length - failed} passed, ${failed} failed`,
      ].join("\n"),
    ),
  );
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

const VERDICTS = { allow: EXIT.ok, ask: EXIT.waiting, deny: EXIT.denied } as const;

async function explain(invocation: Invocation): Promise<ExitCode> {
  const path = textFlag(invocation, "policy");
  if (path === undefined) throw new Failure("give --policy FILE");
  const policy = await loadPolicy(path);
  const topology = await loadTopology(textFlag(invocation, "components"));
  const outcome = runPolicyCase(caseFrom(invocation), policy, topology);
  invocation.write(
    render(invocation.form, { decision: outcome.decision, steps: outcome.steps }, () =>
      [
        `${outcome.decision.verdict}: ${printable(outcome.decision.because)}`,
        ...outcome.steps.map(({ rule, outcome: became }) => `  ${printable(rule)} ${printable(became)}`),
      ].join("\n"),
    ),
  );
  return VERDICTS[outcome.decision.verdict as keyof typeof VERDICTS];
}

/** What the flags say, as a case that expects nothing. */
function caseFrom(invocation: Invocation): PolicyCase {
  const [action = ""] = invocation.positionals;
  const number = (flag: string): number | undefined => {
    const text = textFlag(invocation, flag);
    return text === undefined ? undefined : Number(text);
  };
  const list = (text: string | undefined): string[] | undefined =>
    text?.split(",").map((part) => part.trim());
  const labels = (list(textFlag(invocation, "labels")) ?? []).map((pair): [string, string] => {
    const [name = "", ...value] = pair.split("=");
    return [name, value.join("=")];
  });
  const content = {
    cases: [
      {
        name: "asked on the command line",
        at: textFlag(invocation, "at") ?? new Date(invocation.now()).toISOString(),
        request: {
          by: textFlag(invocation, "by") ?? "human:someone",
          action,
          node: textFlag(invocation, "node"),
          roles: list(textFlag(invocation, "roles")),
          labels: Object.fromEntries(labels),
          undo: invocation.flags["undo"] === true,
        },
        plan: { inverse: textFlag(invocation, "inverse"), roleShare: number("role-share") },
        expect: { verdict: "allow" },
      },
    ],
  };
  const parsed = parsePolicyCases(content, () => 0);
  if ("faults" in parsed)
    throw new Failure(parsed.faults.map((fault) => fault.replace(/^0: cases\.0\./, "")).join("; "));
  const [only] = parsed.value.cases;
  if (only === undefined) throw new Failure("there is nothing to explain");
  return only;
}

const COMPONENTS = { policy: { type: "string" }, components: { type: "string" } } as const;

export const policyCommands: readonly Command[] = [
  {
    name: "policy test",
    usage: "FILE... [--policy FILE] [--components FILE]",
    summary: "Judge the cases of a file by a policy, and fail where the verdict is another than expected.",
    help: `  --policy FILE         the policy (default: the one that the file of cases names)
  --components FILE     what the house is made of (default: the one that the file of cases names)`,
    options: COMPONENTS,
    positionals: { least: 1, most: 100 },
    needsContext: false,
    run: test,
  },
  {
    name: "policy explain",
    usage: "ACTION --policy FILE [--by KIND:NAME] [--labels NAME=VALUE,...]",
    summary:
      "Which rule of a policy decides about a request, and why those before it do not; exit code 0, 3 or 4.",
    help: `  --policy FILE         the policy
  --components FILE     what the house is made of
  --by KIND:NAME        who asks (default human:someone)
  --roles ROLE,...      what they may do (default operator)
  --node NAME           on which node
  --labels N=V,...      the node's labels
  --at INSTANT          when (default now), such as 2026-12-24T12:00:00Z
  --inverse KIND        action, irreversible, nothing-to-undo or unknown (default action)
  --role-share SHARE    of the role's nodes, 0 to 1
  --undo                it takes back an earlier command`,
    options: {
      ...COMPONENTS,
      by: { type: "string" },
      roles: { type: "string" },
      node: { type: "string" },
      labels: { type: "string" },
      at: { type: "string" },
      inverse: { type: "string" },
      "role-share": { type: "string" },
      undo: { type: "boolean" },
    },
    positionals: { least: 1, most: 1 },
    needsContext: false,
    run: explain,
  },
];
