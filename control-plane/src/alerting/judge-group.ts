/**
 * Judges one group of rules: the rules inside in order, what was judged stored before it is known to anyone, so that a
 * kill at any point leaves each alert in exactly the state it had, with the time it became active.
 */
import { messageOf, OpsError } from "../kernel/errors.js";
import { type Labels, labelsKey, METRIC_NAME } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import type { Sample } from "../promql/value.js";
import type { KeyedExpression, OwnSample } from "../timeseries/timeseries.module.js";
import { AlertSayings } from "./alert-sayings.js";
import { idOf, saveChanges } from "./alerts.store.js";
import { withAbsentNodes } from "./domain/absent-nodes.js";
import {
  type Alert,
  alertKey,
  evaluateRule,
  type RuleOutcome,
  type TemplateSurroundings,
} from "./domain/evaluate-rule.js";
import type { AlertingRule, RecordingRule, Rule, RuleGroup } from "./domain/rule.js";
import { alertSeries, recordSeries } from "./domain/rule-series.js";
import { whatToStore } from "./domain/what-to-store.js";
import { type Answers, type EvaluateMany, vectorIn, withQueries } from "./engine-answers.js";

export interface JudgePorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly surroundings: TemplateSurroundings;
  readonly evaluateMany: EvaluateMany;
  readonly append: (samples: readonly OwnSample[]) => Promise<void>;
  /** Names of the fleet's nodes that are not revoked. */
  readonly nodes: () => Promise<readonly string[]>;
  /** Throws ABORTED when another replica judges the rules by now. */
  readonly assertLead: (tx: Transaction) => Promise<void>;
}

export interface RuleStatus {
  readonly health: "ok" | "err" | "unknown";
  readonly lastError: string;
  readonly lastEvaluation: Instant | undefined;
  readonly evaluationSeconds: number;
}

const UNKNOWN: RuleStatus = {
  health: "unknown",
  lastError: "",
  lastEvaluation: undefined,
  evaluationSeconds: 0,
};

/** What one rule asks of the engine besides its expression; the keys are parts of one group's keys only. */
const RESOLVE = "\nresolve";
const NODES = "\nnodes";
const RECORDED = "\nrecorded";

interface JudgedRule {
  readonly rule: AlertingRule;
  readonly outcome: Extract<RuleOutcome, { kind: "judged" }>;
}

export class GroupJudge {
  readonly #ports: JudgePorts;
  /** Alerts by rule key, then by labels. */
  readonly #alerts: Map<string, ReadonlyMap<string, Alert>>;
  /** What recording rules gave last, by rule key; one that is not in it has not been judged since the start. */
  readonly #recorded = new Map<string, ReadonlyMap<string, Labels>>();
  readonly #status = new Map<string, RuleStatus>();
  readonly #sayings: AlertSayings;
  /** Series that only one rule records: what is there at the start is that rule's. */
  #recordedOnce: ReadonlySet<string> = new Set();

  constructor(ports: JudgePorts, alerts: Map<string, ReadonlyMap<string, Alert>>) {
    this.#ports = ports;
    this.#alerts = alerts;
    this.#sayings = new AlertSayings(ports);
  }

  /** Resolves when all that the turns so far have left for afterwards is stored, or has failed to be. */
  settled(): Promise<void> {
    return this.#sayings.settled();
  }

  statusOf(rule: Rule): RuleStatus {
    return this.#status.get(rule.key) ?? UNKNOWN;
  }

  /** All groups that are in force from now on. */
  use(groups: readonly RuleGroup[]): void {
    const counts = new Map<string, number>();
    for (const { rules } of groups)
      for (const rule of rules)
        if (rule.kind === "recording") counts.set(rule.name, (counts.get(rule.name) ?? 0) + 1);
    this.#recordedOnce = new Set([...counts].filter(([, count]) => count === 1).map(([name]) => name));
  }

  /** Rules of these keys are no longer in force: their series end, and nothing is remembered of them. */
  async forget(keys: readonly string[], now: Instant): Promise<void> {
    const ended = keys.flatMap((key) => [...(this.#recorded.get(key)?.values() ?? [])]);
    for (const key of keys) {
      this.#alerts.delete(key);
      this.#recorded.delete(key);
      this.#status.delete(key);
    }
    await this.#ports.append(ended.map((labels) => ({ labels, timestampMs: now, value: "stale" })));
  }

  /**
   * Judges the group at `now`. Where its alerts stand is stored when it resolves; what they say follows, and is stored
   * before the group's next turn begins. Rejects when nothing in it could be judged.
   */
  async judge(group: RuleGroup, now: Instant): Promise<void> {
    await this.#sayings.settled(group);
    try {
      await this.#judgeAll(group, now);
    } finally {
      this.#sayings.follow(group);
    }
  }

  async #judgeAll(group: RuleGroup, now: Instant): Promise<void> {
    const at = now - group.queryOffset;
    // Recording rules feed the rules after them, so a group that has one goes rule by rule; others in one hop.
    const ordered = group.rules.some((rule) => rule.kind === "recording");
    const batches = ordered ? group.rules.map((rule) => [rule]) : [group.rules];
    for (const batch of batches) {
      const { clock, evaluateMany } = this.#ports;
      const started = clock.monotonic();
      const answers = await evaluateMany(
        batch.flatMap((rule) => this.#expressionsOf(rule)),
        at,
      ).catch((error: unknown) => {
        for (const rule of batch) this.#tell(rule, messageOf(error), now, 0);
        throw error;
      });
      const seconds = (clock.monotonic() - started) / 1_000 / Math.max(1, batch.length);
      const judgedAt = clock.monotonic();
      const failures = await this.#judgeBatch(group, batch, answers, now);
      const more = (clock.monotonic() - judgedAt) / 1_000 / Math.max(1, batch.length);
      for (const rule of batch) this.#tell(rule, failures.get(rule.key), now, seconds + more);
    }
  }

  /** Why rules could not be judged, by key. What the alerts of all have become is stored together: one commit, not one a rule. */
  async #judgeBatch(
    group: RuleGroup,
    batch: readonly Rule[],
    answers: Answers,
    now: Instant,
  ): Promise<ReadonlyMap<string, string>> {
    const failures = new Map<string, string>();
    const judged: JudgedRule[] = [];
    for (const rule of batch) {
      const outcome = await this.#judgeRule(group, rule, answers, now).catch(messageOf);
      if (typeof outcome === "string") failures.set(rule.key, outcome);
      else if (outcome !== undefined) judged.push(outcome);
    }
    await this.#keep(group, judged, now).catch((error: unknown) => {
      for (const { rule } of judged) failures.set(rule.key, messageOf(error));
    });
    return failures;
  }

  #tell(rule: Rule, failure: string | undefined, now: Instant, evaluationSeconds: number): void {
    const before = this.#status.get(rule.key)?.lastError ?? "";
    const health = failure === undefined ? "ok" : "err";
    this.#status.set(rule.key, { health, lastError: failure ?? "", lastEvaluation: now, evaluationSeconds });
    // Said once, and again when the reason changes: a rule that fails fails every few seconds.
    if (failure !== undefined && failure !== before)
      this.#ports.logger.warn("a rule could not be judged", { rule: rule.key, because: failure });
  }

  #expressionsOf(rule: Rule): readonly KeyedExpression[] {
    const expressions: KeyedExpression[] = [{ key: rule.key, text: rule.expr }];
    const also = (part: string, text: string | undefined): void => {
      if (text !== undefined) expressions.push({ key: rule.key + part, text });
    };
    if (rule.kind === "alerting") {
      also(RESOLVE, rule.resolveExpr);
      also(NODES, rule.nodesExpr);
    } else if (!this.#recorded.has(rule.key) && this.#recordedOnce.has(rule.name)) {
      // After a start: what it recorded before, so that a series that is gone by now ends now and not in five minutes.
      also(RECORDED, `{${METRIC_NAME}=${JSON.stringify(rule.name)}}`);
    }
    return expressions;
  }

  /** Answers why it failed; what an alerting rule's alerts become; undefined when there is nothing more to do. */
  async #judgeRule(
    group: RuleGroup,
    rule: Rule,
    answers: Answers,
    now: Instant,
  ): Promise<string | JudgedRule | undefined> {
    const at = now - group.queryOffset;
    const found = vectorIn(answers, rule.key, at);
    if (typeof found === "string") return found;
    if (rule.kind === "recording") return this.#record(group, rule, found ?? [], answers, at);
    const resolving = vectorIn(answers, rule.key + RESOLVE, at);
    const present = vectorIn(answers, rule.key + NODES, at);
    if (typeof resolving === "string") return `mainstay_resolve_expr: ${resolving}`;
    if (typeof present === "string") return `mainstay_nodes_expr: ${present}`;
    const vector =
      present === undefined
        ? (found ?? [])
        : withAbsentNodes(found ?? [], present, await this.#ports.nodes(), at);
    const { surroundings } = this.#ports;
    const known = this.#alerts.get(rule.key) ?? new Map<string, Alert>();
    const input = { rule, vector, resolving, known, limit: group.limit, surroundings };
    const outcome = await withQueries(this.#ports.evaluateMany, at, (ask) =>
      evaluateRule({ ...input, ask }, now),
    );
    return outcome.kind === "failed" ? outcome.because : { rule, outcome };
  }

  async #record(
    group: RuleGroup,
    rule: RecordingRule,
    vector: readonly Sample[],
    answers: Answers,
    at: Instant,
  ): Promise<string | undefined> {
    const recorded = recordSeries(
      rule,
      vector,
      this.#recorded.get(rule.key) ?? recordedBefore(answers, rule),
      group.limit,
      at,
    );
    if (recorded.kind === "failed") return recorded.because;
    await this.#ports.append(recorded.samples);
    this.#recorded.set(rule.key, recorded.series);
    return undefined;
  }

  /** Stores what was judged, then remembers it, then writes its series. */
  async #keep(group: RuleGroup, judged: readonly JudgedRule[], now: Instant): Promise<void> {
    await this.#save(group, judged, now);
    for (const { rule, outcome } of judged)
      this.#alerts.set(rule.key, new Map(outcome.alerts.map((alert) => [alertKey(alert), alert])));
    const at = now - group.queryOffset;
    await this.#ports.append(
      judged.flatMap(({ outcome }) => alertSeries(outcome.alerts, outcome.transitions, at)),
    );
  }

  /** Stores what changed of where alerts stand; what changed only of what they say is noted to follow. */
  async #save(group: RuleGroup, judged: readonly JudgedRule[], now: Instant): Promise<void> {
    const { database, assertLead, logger } = this.#ports;
    const said: Alert[] = [];
    const changes = judged.map(({ rule, outcome }) => {
      const known = this.#alerts.get(rule.key);
      const alerts = outcome.alerts.filter((alert) => {
        const storing = whatToStore(known?.get(alertKey(alert)), alert);
        if (storing === "later" || (storing === "not" && this.#sayings.isBehind(alert))) said.push(alert);
        return storing === "now";
      });
      return { rule: rule.name, group: group.name, ...outcome, alerts };
    });
    const told = changes.filter(
      ({ alerts, transitions, flaps }) => alerts.length > 0 || transitions.length > 0 || flaps.length > 0,
    );
    if (told.length > 0)
      await database.transaction(async (tx) => {
        await assertLead(tx);
        await saveChanges(tx, told, now);
      });
    this.#sayings.note(group, said);
    for (const { rule, transitions } of told) {
      for (const { alert, to } of transitions) {
        logger.info("an alert changed state", {
          rule,
          to,
          because: alert.because,
          alertId: idOf(alert.ruleKey, alert.labels),
        });
      }
    }
  }
}

function recordedBefore(answers: Answers, rule: RecordingRule): ReadonlyMap<string, Labels> {
  const found = vectorIn(answers, rule.key + RECORDED, 0);
  if (found === undefined || typeof found === "string") return new Map();
  const its = found.filter(({ labels }) =>
    Object.entries(rule.labels).every(([name, value]) => (labels[name] ?? "") === value),
  );
  return new Map(its.map(({ labels }) => [labelsKey(labels), labels]));
}

/** Said by who finds the lease gone. */
export function leadLost(): OpsError {
  return new OpsError("ABORTED", "the lease on judging rules has passed to another replica");
}
