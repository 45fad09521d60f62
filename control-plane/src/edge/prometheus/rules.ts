/** Rules and alerts as lists, with the filters and the paging of Prometheus 3. */
import { OpsError } from "../../kernel/errors.js";
import type { Labels, Matcher } from "../../kernel/labels.js";
import { sha256Hex } from "../../platform/system.js";
import { compileRegexp } from "../../promql/regexp.js";
import type { Endpoint, Fields } from "../http-endpoint.js";
import type { AlertingReads, PromRuleGroup } from "./alerting-reads.js";
import { ALERTS, type Answer, enveloped, GET, RULES } from "./envelope.js";
import { bad, flag, selectors, text, texts } from "./parameters.js";
import { alertShape, groupShape } from "./shapes.js";

export function ruleEndpoints(alerting: AlertingReads): readonly Endpoint[] {
  return [
    enveloped("alerts", GET, ALERTS, async () => ({
      data: { alerts: (await alerting.alerts()).map(alertShape) },
    })),
    enveloped("rules", GET, RULES, async ({ fields }) => rules(await alerting.rules(), fields)),
  ];
}

export function rules(all: readonly PromRuleGroup[], fields: Fields): Answer {
  const type = text(fields, "type");
  if (type !== undefined && type !== "alert" && type !== "record") {
    throw bad("type", `not supported value "${type.slice(0, 100)}"`);
  }
  const kind = type === "alert" ? "alerting" : type === "record" ? "recording" : undefined;
  const named = texts(fields, "rule_name[]");
  const inGroup = texts(fields, "rule_group[]");
  const inFile = texts(fields, "file[]");
  const matching = selectors(fields);
  const withAlerts = !flag(fields, "exclude_alerts");
  const page = paging(fields);
  const has = (wanted: readonly string[], value: string): boolean =>
    wanted.length === 0 || wanted.includes(value);
  const keep = (group: PromRuleGroup): PromRuleGroup => ({
    ...group,
    rules: group.rules.filter(
      (rule) =>
        (kind === undefined || rule.kind === kind) &&
        has(named, rule.name) &&
        (matching.length === 0 || matching.some((matchers) => fulfils(rule.labels, matchers))),
    ),
  });
  const groups: PromRuleGroup[] = [];
  let begun = page?.from === undefined;
  let next: string | undefined;
  for (const whole of all) {
    begun ||= tokenOf(whole) === page?.from;
    if (!begun || !has(inGroup, whole.name) || !has(inFile, whole.file)) continue;
    const group = keep(whole);
    if (group.rules.length === 0) continue;
    if (page !== undefined && groups.length === page.size) {
      next = tokenOf(whole);
      break;
    }
    groups.push(group);
  }
  if (!begun) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `invalid group_next_token '${(page?.from ?? "").slice(0, 100)}'. were rule groups changed?`,
    );
  }
  return {
    data: {
      groups: groups.map((group) => groupShape(group, withAlerts)),
      ...(next === undefined ? {} : { groupNextToken: next }),
    },
  };
}

interface Page {
  readonly size: number;
  /** The group to begin with; undefined: the first. */
  readonly from: string | undefined;
}

function paging(fields: Fields): Page | undefined {
  const size = text(fields, "group_limit");
  const from = text(fields, "group_next_token");
  if (size === undefined) {
    if (from === undefined) return undefined;
    throw bad("group_limit", "group_limit needs to be set in order to paginate over the groups");
  }
  if (!/^\d{1,9}$/.test(size) || Number(size) === 0) {
    throw bad("group_limit", "group_limit needs to be greater than 0");
  }
  return { size: Number(size), from };
}

const tokenOf = ({ file, name }: PromRuleGroup): string => sha256Hex(`${file};${name}`).slice(0, 40);

/** Whether labels fulfil all matchers; an absent label counts as empty. */
function fulfils(labels: Labels, matchers: readonly Matcher[]): boolean {
  return matchers.every(({ name, op, value }) => {
    const held = (Object.hasOwn(labels, name) ? labels[name] : undefined) ?? "";
    if (op === "=") return held === value;
    if (op === "!=") return held !== value;
    return compileRegexp(value).test(held) === (op === "=~");
  });
}
