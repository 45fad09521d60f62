/** Rule files on this machine: checked, and tested with promtool's own test files. Needs no control plane. */
import { readFile } from "node:fs/promises";
import { parseRuleFile, type Rule, type RuleGroup } from "#src/alerting/domain/rule";
import { parseRuleTestFile, type RuleTestFile } from "#src/alerting/domain/rule-test-file";
import { runRuleTest } from "#src/alerting/domain/run-rule-test";
import { messageOf } from "#src/kernel/errors";
import { formatLabels } from "#src/kernel/labels";
import { parseYamlText } from "#src/platform/yaml-text";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { matchFiles } from "../match-files.js";

type Loaded<T> = { readonly value: T } | { readonly faults: readonly string[] };

async function load<T>(
  path: string,
  parse: (value: unknown, lineOf: (path: readonly (string | number)[]) => number) => Loaded<T>,
): Promise<Loaded<T>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    return { faults: [messageOf(error)] };
  }
  return parseYamlText(path, text, ({ asWritten, lineOf }) => parse(asWritten(), lineOf));
}

const loadRules = (path: string) => load(path, (value, lineOf) => parseRuleFile(path, value, lineOf));

async function check(invocation: Invocation): Promise<ExitCode> {
  const { write, warn } = invocation;
  let failed = false;
  for (const path of invocation.positionals) {
    write(`Checking ${path}`);
    const loaded = await loadRules(path);
    if ("faults" in loaded) {
      failed = true;
      warn("  FAILED:");
      for (const fault of loaded.faults) warn(fault);
    } else {
      const rules = loaded.value.flatMap((group) => group.rules);
      write(`  SUCCESS: ${rules.length} rules found`);
      for (const line of duplicates(rules)) write(line);
    }
    write("");
  }
  return failed ? EXIT.failed : EXIT.ok;
}

/** Rules of one name and one set of labels write over each other's series. */
function duplicates(rules: readonly Rule[]): readonly string[] {
  const seen = new Map<string, number>();
  for (const rule of rules) {
    const key = formatLabels({ ...rule.labels, __name__: rule.name });
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  const twice = [...seen].filter(([, count]) => count > 1);
  if (twice.length === 0) return [];
  return [
    `${twice.length} duplicate rule(s) found.`,
    ...twice.map(([key]) => `  ${key}`),
    "Might cause inconsistency while recording expressions",
  ];
}

async function test(invocation: Invocation): Promise<ExitCode> {
  const { write, warn } = invocation;
  let failed = false;
  for (const path of invocation.positionals) {
    write(`Unit Testing:  ${path}`);
    const faults = await faultsOf(path, write);
    if (faults.length === 0) write("  SUCCESS");
    else {
      failed = true;
      warn("  FAILED:");
      for (const fault of faults) warn(`${fault}\n`);
    }
    write("");
  }
  return failed ? EXIT.failed : EXIT.ok;
}

async function faultsOf(path: string, write: (line: string) => void): Promise<readonly string[]> {
  const loaded = await load<RuleTestFile>(path, parseRuleTestFile);
  if ("faults" in loaded) return loaded.faults;
  const file = loaded.value;
  const groups: RuleGroup[] = [];
  for (const pattern of file.ruleFiles) {
    const found = await matchFiles(pattern, path);
    if (found.length === 0) write(`  WARNING: no file match pattern ${pattern}`);
    for (const ruleFile of found) {
      const rules = await loadRules(ruleFile);
      if ("faults" in rules) return rules.faults;
      groups.push(...rules.value);
    }
  }
  // Rules of the same name in two files are two rules: their keys say from which file they are.
  const keyed = groups.map((group, index) => ({
    ...group,
    rules: group.rules.map((rule) => ({ ...rule, key: `${index}/${rule.key}` })),
  }));
  return file.tests.flatMap((one) => runRuleTest(one, keyed, file));
}

export const ruleCommands: readonly Command[] = [
  {
    name: "rules check",
    usage: "FILE...",
    summary: "Whether rule files are well formed; every fault with its line.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1_000 },
    run: check,
  },
  {
    name: "rules test",
    usage: "FILE...",
    summary: "Runs unit tests of rules, in the format of promtool test rules.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1_000 },
    run: test,
  },
];
