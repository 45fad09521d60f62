/** Rules over the stored past: what would have fired, beside what did. Nothing is stored. */
import { messageOf, OpsError } from "../kernel/errors.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { Database } from "../platform/postgres/database.js";
import type { MatrixValue, Sample, Value } from "../promql/value.js";
import type { TemplateSurroundings } from "./domain/evaluate-rule.js";
import { FIRINGS_MAX, type Firing, firingsOf, type StateChange } from "./domain/firings.js";
import { Rehearsal } from "./domain/rehearsal.js";
import type { AlertingRule, RuleGroup } from "./domain/rule.js";
import { readChanges } from "./journalled-changes.js";
import { demandRules } from "./read-rules.js";

const RULES_MAX = 100;
/** Times one rule is judged, as in a range query. */
const STEPS_MAX = 11_000;

export interface ReplayPorts {
  readonly database: Database;
  readonly surroundings: TemplateSurroundings;
  readonly nodes: () => Promise<readonly string[]>;
  readonly queryRange: (
    expr: string,
    from: Instant,
    to: Instant,
    stepMs: number,
    signal: AbortSignal,
  ) => Promise<MatrixValue>;
}

export interface ReplayWish {
  /** A Prometheus rule file. */
  readonly content: string;
  readonly from: Instant;
  readonly to: Instant;
  /** 0: each group's own interval. */
  readonly step: Duration;
}

export interface ReplayedRule {
  readonly group: string;
  readonly name: string;
  readonly wouldHaveFired: readonly Firing[];
  readonly didFire: readonly Firing[];
  /** Why it could not be judged; empty when it could. */
  readonly fault: string;
  readonly notes: readonly string[];
}

/** Throws INVALID_ARGUMENT for rules or times that are not right. */
export async function replayRules(
  ports: ReplayPorts,
  { content, from, to, step }: ReplayWish,
  signal: AbortSignal,
): Promise<readonly ReplayedRule[]> {
  const groups = demandRules(content);
  const rules = groups.flatMap(({ rules: its }) => its);
  if (rules.length > RULES_MAX)
    throw new OpsError(
      "INVALID_ARGUMENT",
      `there are ${rules.length} rules, at most ${RULES_MAX} are replayed`,
    );
  if (!(to > from))
    throw new OpsError("INVALID_ARGUMENT", "the end of the replay is not after its beginning");
  const alerting = rules.flatMap((rule) => (rule.kind === "alerting" ? [rule] : []));
  const did = await readChanges(ports.database, new Set(alerting.map(({ name }) => name)), from, to);
  const nodes = await ports.nodes();
  const replayed: ReplayedRule[] = [];
  for (const group of groups) {
    for (const rule of group.rules) {
      if (rule.kind === "recording") continue;
      const notes = [
        ...recordedNotes(group, rule),
        ...(did.complete
          ? []
          : ["the journal holds more changes than could be read: what did fire is not whole"]),
      ];
      const would = await replayOne(
        ports,
        group,
        rule,
        { from, to, step: step || group.interval },
        nodes,
        signal,
      );
      const wouldHaveFired = firingsOf(would.changes);
      const didFire = firingsOf(did.byRule.get(rule.name) ?? []);
      for (const firings of [wouldHaveFired, didFire])
        if (firings.length >= FIRINGS_MAX) notes.push(`only the first ${FIRINGS_MAX} firings are told`);
      replayed.push({
        group: group.name,
        name: rule.name,
        wouldHaveFired,
        didFire,
        fault: would.fault,
        notes,
      });
    }
  }
  return replayed;
}

/** A replay reads what is stored: what a recording rule of the same text would have written is not there. */
function recordedNotes(group: RuleGroup, rule: AlertingRule): readonly string[] {
  const read = group.rules.filter((other) => other.kind === "recording" && rule.expr.includes(other.name));
  return read.map(
    ({ name }) => `"${name}" is read as it is stored, not as the recording rule here would write it`,
  );
}

async function replayOne(
  ports: ReplayPorts,
  group: RuleGroup,
  rule: AlertingRule,
  { from, to, step }: { readonly from: Instant; readonly to: Instant; readonly step: Duration },
  nodes: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly changes: readonly StateChange[]; readonly fault: string }> {
  const count = Math.floor((to - from) / step) + 1;
  if (count > STEPS_MAX)
    return {
      changes: [],
      fault: `it would be judged ${count} times, at most ${STEPS_MAX}: give a longer step`,
    };
  try {
    const offset = group.queryOffset;
    const answers = new Map<string, AtSteps>();
    for (const expr of [rule.expr, rule.resolveExpr, rule.nodesExpr]) {
      if (expr === undefined) continue;
      const matrix = await ports.queryRange(expr, from - offset, to - offset, step, signal);
      answers.set(expr, new AtSteps(matrix));
    }
    const rehearsal = new Rehearsal({ surroundings: ports.surroundings, nodes });
    const changes: StateChange[] = [];
    for (let now = from; now <= to; now += step) {
      const { transitions, failure } = rehearsal.step(
        group,
        rule,
        (expr, at) => answers.get(expr)?.at(at) ?? NOTHING,
        now,
      );
      if (failure !== undefined) return { changes, fault: failure };
      for (const { alert, to: next } of transitions)
        changes.push({ at: now, labels: alert.labels, to: next, value: alert.value });
    }
    return { changes, fault: "" };
  } catch (error) {
    if (signal.aborted) throw error;
    return { changes: [], fault: messageOf(error) };
  }
}

const NOTHING: Value = { kind: "vector", samples: [], warnings: [], infos: [] };

/** A range query's answer, asked step by step in order of time: each series is walked through once. */
class AtSteps {
  readonly #series: readonly { readonly of: MatrixValue["series"][number]; next: number }[];

  constructor(matrix: MatrixValue) {
    this.#series = matrix.series.map((of) => ({ of, next: 0 }));
  }

  at(now: Instant): Value {
    const samples: Sample[] = [];
    for (const series of this.#series) {
      const { labels, timestamps, values } = series.of;
      while (series.next < timestamps.length && (timestamps[series.next] as number) < now) series.next++;
      if (timestamps[series.next] === now)
        samples.push({ labels, timestamp: now, value: values[series.next] as number });
    }
    return { ...NOTHING, kind: "vector", samples };
  }
}
