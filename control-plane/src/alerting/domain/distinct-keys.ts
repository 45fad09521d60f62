/** Groups of one name in two files are two groups: their alerts must not be taken for each other's. */
import type { RuleGroup } from "./rule.js";

/** The groups in their order; of those that share a name, all but the first have the file's name in their rules' keys. */
export function distinctKeys(groups: readonly RuleGroup[]): readonly RuleGroup[] {
  const seen = new Set<string>();
  return groups.map((group) => {
    if (!seen.has(group.name)) {
      seen.add(group.name);
      return group;
    }
    return { ...group, rules: group.rules.map((rule) => ({ ...rule, key: `${group.file}/${rule.key}` })) };
  });
}
