/** What Prometheus, Route 53 or Kubernetes would refuse of a block of YAML. */
import { parseRuleFile } from "#src/alerting/domain/rule";
import { parseYamlText } from "#src/platform/yaml-text";
import type { Block } from "./blocks.js";
import { fault, note, type Remark } from "./finding.js";

export function lintYaml(block: Block): readonly Remark[] {
  const text = block.lines.join("\n");
  if (/^groups:/m.test(text) && /^\s*-?\s*(?:alert|record):/m.test(text)) return lintRules(block);
  const remarks = [...lintRecordSets(block), ...lintKinds(block)];
  if (/^\s*<\w/.test(text.replace(/^#.*$/gm, "").trim()))
    return [
      ...remarks,
      note(
        block.line,
        "this is called YAML and is not",
        "it looks like Fluentd's own format, which is not checked",
      ),
    ];
  if (block.flat) return remarks;
  const parsed = parseYamlText("", text, ({ value }) => ({ value }));
  if ("faults" in parsed)
    for (const said of parsed.faults)
      remarks.push(fault(...placed(block, said), "YAML cannot be read so", "see the line"));
  return remarks;
}

/** `:line: message` of a block, as a line of the file and the message. */
function placed(block: Block, said: string): [number, string] {
  const [, line = "1", message = said] = /^[^:]*:(\d+): (.*)$/s.exec(said) ?? [];
  return [block.line + Number(line) - 1, message];
}

function lintRules(block: Block): readonly Remark[] {
  const lines = block.flat ? indentRules(block.lines) : block.lines;
  const read = parseYamlText("", lines.join("\n"), ({ asWritten, lineOf }) =>
    parseRuleFile("", asWritten(), lineOf),
  );
  const remarks: Remark[] = block.flat
    ? [note(block.line, "the rules have lost their indentation", "they were checked as they must have been")]
    : [];
  if ("faults" in read)
    for (const said of read.faults)
      remarks.push(
        fault(...placed(block, said), "Prometheus refuses the whole file", "promtool check rules"),
      );
  return remarks;
}

const GROUP_KEYS = /^(?:interval|rules|limit|query_offset|partial_response_strategy|labels):/;
const RULE_KEYS = /^(?:alert|record|expr|for|keep_firing_for|labels|annotations):/;

/** Rules with the indentation that their keys demand: a line for a line. */
function indentRules(lines: readonly string[]): readonly string[] {
  let level: "top" | "group" | "rule" | "map" = "top";
  return lines.map((line) => {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) return line;
    if (/^groups:/.test(text)) return text;
    if (/^- name:/.test(text)) {
      level = "group";
      return `  ${text}`;
    }
    if (/^- (?:alert|record):/.test(text)) {
      level = "rule";
      return `      ${text}`;
    }
    if (level === "group" && GROUP_KEYS.test(text)) return `    ${text}`;
    if ((level === "rule" || level === "map") && RULE_KEYS.test(text)) {
      level = /^(?:labels|annotations):\s*$/.test(text) ? "map" : "rule";
      return `        ${text}`;
    }
    return level === "map" ? `          ${text}` : `        ${text}`;
  });
}

/** Keys that begin something within a record set, and not the next one. */
const WITHIN = new Set([
  "AliasTarget",
  "GeoLocation",
  "ResourceRecords",
  "CidrRoutingConfig",
  "GeoProximityLocation",
]);
const POLICIES = [
  "Weight",
  "Failover",
  "Region",
  "GeoLocation",
  "MultiValueAnswer",
  "CidrRoutingConfig",
  "GeoProximityLocation",
];

/** A record set of Route 53 has one routing policy, and an alias says whether it asks the target's health. */
function lintRecordSets(block: Block): readonly Remark[] {
  const sets: Map<string, number>[] = [];
  for (const [index, line] of block.lines.entries()) {
    const [, key = "", value = ""] = /^\s*(?:- )?["']?(\w+)["']?:\s*(.*)$/.exec(line) ?? [];
    if (key === "") continue;
    if (value === "" && !WITHIN.has(key)) sets.push(new Map());
    else if (/^\s*- /.test(line)) sets.push(new Map([[key, block.line + index]]));
    sets.at(-1)?.set(key, block.line + index);
  }
  return sets
    .filter((set) => set.has("SetIdentifier"))
    .flatMap((set) => {
      const remarks: Remark[] = [];
      const policies = POLICIES.filter((policy) => set.has(policy));
      if (policies.length > 1)
        remarks.push(
          fault(
            set.get(policies[1] ?? "") ?? block.line,
            `a record set has ${policies.join(" and ")}`,
            "Route 53 refuses it: a record set has one routing policy",
            "leave Weight out where Failover decides, or nest weighted records behind a failover alias",
          ),
        );
      const alias = set.get("AliasTarget");
      if (alias !== undefined && !set.has("EvaluateTargetHealth"))
        remarks.push(
          fault(
            alias,
            "AliasTarget without EvaluateTargetHealth",
            "Route 53 requires it, and without true an alias never fails over by its target's health",
            "EvaluateTargetHealth: true",
          ),
        );
      return remarks;
    });
}

/** Kinds of the core group. */
const CORE = new Set(
  "Binding ConfigMap Endpoints Event LimitRange List Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount".split(
    " ",
  ),
);

function lintKinds(block: Block): readonly Remark[] {
  const remarks: Remark[] = [];
  let core = false;
  for (const [index, line] of block.lines.entries()) {
    const [, version] = /^apiVersion:\s*["']?([\w./-]+)/.exec(line) ?? [];
    if (version !== undefined) core = version === "v1";
    const [, kind = ""] = /^kind:\s*["']?(\w+)/.exec(line) ?? [];
    if (kind !== "" && core && !CORE.has(kind))
      remarks.push(
        fault(
          block.line + index,
          `Kubernetes has no kind ${kind} in v1`,
          kind.startsWith("Patch")
            ? "used as a patch, what it says of kind and spec fits no Deployment, and the cluster answers (no change)"
            : "the cluster refuses it",
          kind === "PatchDeployment"
            ? "kubectl set resources deployment NAME --limits=… --requests=…"
            : "kubectl explain, kubectl apply --dry-run=server",
        ),
      );
  }
  return remarks;
}
