/** Rules that came as text over the API: read as a rule file is, within bounds. */
import { OpsError } from "../kernel/errors.js";
import { parseYamlText } from "../platform/yaml-text.js";
import { parseRuleFile, type RuleGroup } from "./domain/rule.js";

/** Bytes of one text of rules, and rules in it: far more than people write, far less than would hold up others. */
const CONTENT_MAX = 1024 * 1024;
const RULES_MAX = 2_000;

/** Where groups of the API stand among those of files. */
export const API_SOURCE = "api";

/** The groups in `content`, or every fault with its line. */
export function readRules(
  content: string,
): { readonly value: readonly RuleGroup[] } | { readonly faults: readonly string[] } {
  if (content.length > CONTENT_MAX)
    return { faults: [`the rules are ${content.length} characters long, at most ${CONTENT_MAX} are taken`] };
  const parsed = parseYamlText(API_SOURCE, content, ({ asWritten, lineOf }) =>
    parseRuleFile(API_SOURCE, asWritten(), lineOf),
  );
  if ("faults" in parsed) return parsed;
  const count = parsed.value.reduce((sum, { rules }) => sum + rules.length, 0);
  if (count > RULES_MAX) return { faults: [`there are ${count} rules, at most ${RULES_MAX} are taken`] };
  return parsed;
}

/** As {@link readRules}. Throws INVALID_ARGUMENT with every fault. */
export function demandRules(content: string): readonly RuleGroup[] {
  const read = readRules(content);
  if ("value" in read) return read.value;
  throw new OpsError("INVALID_ARGUMENT", `the rules are not well formed: ${read.faults.join("; ")}`);
}
