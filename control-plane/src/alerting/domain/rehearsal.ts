/**
 * Rules judged through time without being in force: for unit tests of rules, and to replay them over the past. The same
 * decisions as in force, with nothing stored.
 */
import { type Labels, labelsKey } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { Sample, Value } from "../../promql/value.js";
import { withAbsentNodes } from "./absent-nodes.js";
import {
  type Alert,
  evaluateRule,
  NO_SURROUNDINGS,
  type TemplateSurroundings,
  type Transition,
} from "./evaluate-rule.js";
import type { AlertingRule, RecordingRule, Rule, RuleGroup } from "./rule.js";
import { alertSeries, type RuleSample, recordSeries } from "./rule-series.js";
import { vectorOf } from "./rule-vector.js";

/** What one rule did at one time. */
export interface RehearsedStep {
  readonly samples: readonly RuleSample[];
  readonly transitions: readonly Transition[];
  /** Why the rule could not be judged; its alerts stay as they were. */
  readonly failure: string | undefined;
}

/** Gives the value of an expression; throws what the engine throws. */
export type EvaluateExpression = (expr: string, at: Instant) => Value;

export interface RehearsalOptions {
  readonly surroundings?: TemplateSurroundings;
  /** Names of the fleet's nodes, for rules that ask for them. */
  readonly nodes?: readonly string[];
  /** Evaluates what texts query, at a time. @default queries fail */
  readonly ask?: (query: string, at: Instant) => readonly Sample[];
}

export class Rehearsal {
  readonly #surroundings: TemplateSurroundings;
  readonly #nodes: readonly string[];
  readonly #ask: RehearsalOptions["ask"];
  readonly #alerts = new Map<string, ReadonlyMap<string, Alert>>();
  readonly #recorded = new Map<string, ReadonlyMap<string, Labels>>();

  constructor(options: RehearsalOptions = {}) {
    this.#surroundings = options.surroundings ?? NO_SURROUNDINGS;
    this.#nodes = options.nodes ?? [];
    this.#ask = options.ask;
  }

  /** Judges `rule` at `now`. What `evaluate` throws passes through. */
  step(group: RuleGroup, rule: Rule, evaluate: EvaluateExpression, now: Instant): RehearsedStep {
    const at = now - group.queryOffset;
    const value = evaluate(rule.expr, at);
    const vector = vectorOf(value, at);
    if (vector === undefined)
      return failed(`the expression gives a ${value.kind}, expected a vector or a scalar`);
    if (rule.kind === "recording") return this.#record(group, rule, vector, at);
    const asked = (expr: string | undefined) =>
      expr === undefined ? undefined : vectorOf(evaluate(expr, at), at);
    const present = asked(rule.nodesExpr);
    return this.#alert(
      group,
      rule,
      present === undefined ? vector : withAbsentNodes(vector, present, this.#nodes, at),
      asked(rule.resolveExpr),
      now,
    );
  }

  /** The rule's alerts as they are now; resolved ones of late among them. */
  alertsOf(rule: AlertingRule): readonly Alert[] {
    return [...(this.#alerts.get(rule.key)?.values() ?? [])];
  }

  #record(
    group: RuleGroup,
    rule: RecordingRule,
    vector: Parameters<typeof recordSeries>[1],
    at: Instant,
  ): RehearsedStep {
    const before = this.#recorded.get(rule.key) ?? new Map<string, Labels>();
    const recorded = recordSeries(rule, vector, before, group.limit, at);
    if (recorded.kind === "failed") return failed(recorded.because);
    this.#recorded.set(rule.key, recorded.series);
    return { samples: recorded.samples, transitions: [], failure: undefined };
  }

  #alert(
    group: RuleGroup,
    rule: AlertingRule,
    vector: Parameters<typeof recordSeries>[1],
    resolving: Parameters<typeof recordSeries>[1] | undefined,
    now: Instant,
  ): RehearsedStep {
    const known = this.#alerts.get(rule.key) ?? new Map<string, Alert>();
    const ask = this.#ask;
    const outcome = evaluateRule(
      {
        ...{ rule, vector, resolving, known, limit: group.limit, surroundings: this.#surroundings },
        ...(ask === undefined ? {} : { ask: (query) => ask(query, now - group.queryOffset) }),
      },
      now,
    );
    if (outcome.kind === "failed") return failed(outcome.because);
    this.#alerts.set(rule.key, new Map(outcome.alerts.map((alert) => [labelsKey(alert.labels), alert])));
    const samples = alertSeries(outcome.alerts, outcome.transitions, now - group.queryOffset);
    return { samples, transitions: outcome.transitions, failure: undefined };
  }
}

function failed(failure: string): RehearsedStep {
  return { samples: [], transitions: [], failure };
}
