/**
 * Judges the rules: each group on its interval, the rules inside in order; on one replica, under a lease.
 *
 * What was judged is stored before it is known to anyone, so a kill at any point leaves each alert in exactly the
 * state it had, with the time it became active.
 */
import { OpsError } from "../kernel/errors.js";
import { labelsKey, METRIC_NAME } from "../kernel/labels.js";
import { DAY, type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop, type LoopStatus } from "../platform/loop.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import { holdLease, releaseLease, stillHolds } from "../platform/postgres/lease.js";
import type { System } from "../platform/system.js";
import type { Sample, Value } from "../promql/value.js";
import type { Evaluation, KeyedExpression, OwnSample } from "../timeseries/timeseries.module.js";
import {
  idOf,
  journalTransitions,
  pruneAlerts,
  readAlerts,
  readOrphans,
  saveAlerts,
} from "./alerts.store.js";
import { type Alert, evaluateRule, NO_SURROUNDINGS, type Transition } from "./domain/evaluate-rule.js";
import { type CatchUp, readyToEvaluate } from "./domain/ready-to-evaluate.js";
import type { AlertingRule, RecordingRule, Rule, RuleGroup } from "./domain/rule.js";
import { alertSeries, vectorOf } from "./domain/rule-series.js";

const LEASE = "alerting";
const LEASE_LENGTH: Duration = 15 * SECOND;
/** How often the lease is renewed and the gate is looked at. */
const BEAT: Duration = SECOND;
/** How long a resolved alert is kept for whoever asks. */
const RESOLVED_KEPT: Duration = 7 * DAY;
/** A time after which nothing has been resolved: PostgreSQL takes no later one from a Date. */
const RESOLVED_NONE: Instant = 8.64e15;

export interface EvaluationPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  /** Names this replica. */
  readonly replica: string;
  /** Since when this replica sees all samples; undefined while another does. */
  readonly leadsSince: () => Instant | undefined;
  readonly evaluateMany: (
    expressions: readonly KeyedExpression[],
    at: Instant,
  ) => Promise<ReadonlyMap<string, Evaluation>>;
  readonly append: (samples: readonly OwnSample[]) => Promise<void>;
  readonly catchUp: () => Promise<CatchUp>;
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

export class Evaluator {
  readonly #ports: EvaluationPorts;
  /** Since when the samples that are judged are seen here. */
  #leadsSince: Instant | undefined;
  readonly #lead: Loop;
  #groups: readonly RuleGroup[] = [];
  #groupLoops = new Map<string, { readonly group: RuleGroup; readonly loop: Loop }>();
  /** Alerts by rule key, then by labels. Undefined while another replica judges. */
  #alerts: Map<string, Map<string, Alert>> | undefined;
  readonly #status = new Map<string, RuleStatus>();
  #because = "not started";

  constructor(ports: EvaluationPorts) {
    this.#ports = ports;
    this.#lead = new Loop({
      name: "alerting.lead",
      interval: BEAT,
      clock: ports.system.clock,
      logger: ports.logger,
      run: () => this.#leadOnce(),
    });
  }

  start(): void {
    this.#lead.start();
  }

  async stop(): Promise<void> {
    await this.#lead.stop();
    await this.#stopGroups();
    if (this.#alerts !== undefined)
      await releaseLease(this.#ports.database, LEASE, this.#ports.replica).catch(() => {});
  }

  /** The groups in force from now on. Alerts keep their state by rule key. */
  async use(groups: readonly RuleGroup[]): Promise<void> {
    this.#groups = groups;
    if (this.#alerts !== undefined) await this.#startGroups();
  }

  get groups(): readonly RuleGroup[] {
    return this.#groups;
  }

  /** Why rules are, or are not, judged here. */
  get because(): string {
    return this.#because;
  }

  statusOf(rule: Rule): RuleStatus {
    return this.#status.get(rule.key) ?? UNKNOWN;
  }

  loops(): readonly LoopStatus[] {
    return [this.#lead.status, ...[...this.#groupLoops.values()].map(({ loop }) => loop.status)];
  }

  async #leadOnce(): Promise<void> {
    const { database, replica, logger, system, catchUp, leadsSince } = this.#ports;
    const since = leadsSince();
    if (since === undefined || since !== this.#leadsSince) {
      // Without all samples nothing is judged, and what another has judged meanwhile is to be read anew.
      this.#leadsSince = since;
      if (this.#alerts !== undefined) await this.#stepDown();
    }
    if (since === undefined) {
      this.#because = "another replica judges the rules";
      return;
    }
    if (this.#alerts === undefined) {
      const readiness = readyToEvaluate(since, await catchUp(), system.clock.now());
      this.#because = readiness.because;
      if (!readiness.ready) return;
    }
    const lease = await holdLease(database, LEASE, replica, LEASE_LENGTH).catch((error: unknown) => {
      // Without PostgreSQL nothing can be stored, so nothing is judged; the state in memory may be behind another's.
      this.#because = "the lease could not be renewed";
      throw error;
    });
    if (lease === undefined) {
      this.#because = "another replica judges the rules";
      if (this.#alerts !== undefined) await this.#stepDown();
      return;
    }
    if (this.#alerts !== undefined) return;
    this.#alerts = await this.#load();
    this.#because = "this replica judges the rules";
    logger.info("rules are judged here", {
      groups: this.#groups.length,
      alerts: this.#alerts.size,
      generation: lease.generation,
    });
    await this.#startGroups();
  }

  async #stepDown(): Promise<void> {
    const { database, replica, logger } = this.#ports;
    logger.warn("the rules are judged here no more");
    await this.#stopGroups();
    this.#alerts = undefined;
    await releaseLease(database, LEASE, replica).catch(() => {});
  }

  async #load(): Promise<Map<string, Map<string, Alert>>> {
    const { database, system } = this.#ports;
    await pruneAlerts(database, system.clock.now() - RESOLVED_KEPT);
    const byRule = new Map<string, Map<string, Alert>>();
    for (const alert of await readAlerts(database, RESOLVED_NONE)) {
      const ofRule = byRule.get(alert.ruleKey) ?? new Map<string, Alert>();
      byRule.set(alert.ruleKey, ofRule.set(labelsKey(alert.labels), alert));
    }
    return byRule;
  }

  async #startGroups(): Promise<void> {
    await this.#stopGroups();
    await this.#endOrphans();
    for (const group of this.#groups) {
      const name = `${group.file}/${group.name}`;
      const loop = new Loop({
        name: `rules ${group.name}`,
        interval: group.interval,
        clock: this.#ports.system.clock,
        logger: this.#ports.logger,
        run: (now) => this.evaluateGroup(group, now),
      });
      this.#groupLoops.set(name, { group, loop });
      loop.start();
    }
  }

  async #stopGroups(): Promise<void> {
    const loops = [...this.#groupLoops.values()];
    this.#groupLoops = new Map();
    await Promise.all(loops.map(({ loop }) => loop.stop()));
  }

  /** Alerts whose rule is gone from the files resolve, as in Prometheus. */
  async #endOrphans(): Promise<void> {
    const { database, system } = this.#ports;
    const keys = this.#groups.flatMap((group) => group.rules.map((rule) => rule.key));
    const now = system.clock.now();
    for (const orphan of await readOrphans(database, keys)) {
      const because = "the rule is no longer in any rule file";
      const resolved: Alert = {
        ...orphan,
        because,
        state: {
          kind: "resolved",
          activeAt: orphan.state.activeAt,
          firedAt: orphan.state.kind === "pending" ? orphan.state.activeAt : orphan.state.firedAt,
          resolvedAt: now,
        },
      };
      await database.transaction(async (tx) => {
        await this.#assertLead(tx);
        await saveAlerts(tx, orphan, [resolved], []);
        await journalTransitions(
          tx,
          orphan,
          [{ alert: resolved, from: orphan.state.kind, to: "resolved" }],
          now,
        );
      });
      this.#alerts?.delete(orphan.ruleKey);
    }
  }

  /** Judges one group at `now`. */
  async evaluateGroup(group: RuleGroup, now: Instant): Promise<void> {
    const at = now - group.queryOffset;
    // Recording rules feed the rules after them, so a group that has one goes rule by rule; others in one hop.
    const ordered = group.rules.some((rule) => rule.kind === "recording");
    const batches = ordered ? group.rules.map((rule) => [rule]) : [group.rules];
    for (const batch of batches) {
      const started = this.#ports.system.clock.monotonic();
      const results = await this.#ports.evaluateMany(
        batch.map((rule) => ({ key: rule.key, text: rule.expr })),
        at,
      );
      const seconds = (this.#ports.system.clock.monotonic() - started) / 1_000 / Math.max(1, batch.length);
      for (const rule of batch) {
        const evaluation = results.get(rule.key) ?? {
          kind: "failed",
          error: new OpsError("INTERNAL", "no result"),
        };
        const failure =
          evaluation.kind === "failed"
            ? evaluation.error.message
            : await this.#judge(group, rule, evaluation.value, now);
        this.#status.set(rule.key, {
          health: failure === undefined ? "ok" : "err",
          lastError: failure ?? "",
          lastEvaluation: now,
          evaluationSeconds: seconds,
        });
        if (failure !== undefined)
          this.#ports.logger.warn("a rule could not be judged", { rule: rule.key, because: failure });
      }
    }
  }

  /** Answers why it failed, or undefined. */
  async #judge(group: RuleGroup, rule: Rule, value: Value, now: Instant): Promise<string | undefined> {
    const vector = vectorOf(value, now);
    if (vector === undefined) return `the expression gives a ${value.kind}, expected a vector or a scalar`;
    return rule.kind === "recording"
      ? this.#record(rule, vector, group.limit, now)
      : this.#alert(group, rule, vector, now);
  }

  async #record(
    rule: RecordingRule,
    vector: readonly Sample[],
    limit: number,
    now: Instant,
  ): Promise<string | undefined> {
    if (limit > 0 && vector.length > limit) return `exceeded limit of ${limit} with ${vector.length} series`;
    const samples = vector.map(
      (sample): OwnSample => ({
        labels: { ...sample.labels, ...rule.labels, [METRIC_NAME]: rule.name },
        timestampMs: now,
        value: sample.value,
      }),
    );
    if (new Set(samples.map(({ labels }) => labelsKey(labels))).size < samples.length) {
      return "vector contains metrics with the same labelset after applying rule labels";
    }
    await this.#ports.append(samples);
    return undefined;
  }

  async #alert(
    group: RuleGroup,
    rule: AlertingRule,
    vector: readonly Sample[],
    now: Instant,
  ): Promise<string | undefined> {
    const all = this.#alerts;
    if (all === undefined) return "another replica judges the rules";
    const known = all.get(rule.key) ?? new Map<string, Alert>();
    const outcome = evaluateRule(
      { rule, vector, known, limit: group.limit, surroundings: NO_SURROUNDINGS },
      now,
    );
    if (outcome.kind === "failed") return outcome.because;
    await this.#save(rule, group, outcome.alerts, outcome.transitions, now);
    all.set(rule.key, new Map(outcome.alerts.map((alert) => [labelsKey(alert.labels), alert])));
    await this.#ports.append(alertSeries(outcome.alerts, outcome.transitions, now));
    return undefined;
  }

  async #save(
    rule: AlertingRule,
    group: RuleGroup,
    alerts: readonly Alert[],
    transitions: readonly Transition[],
    now: Instant,
  ): Promise<void> {
    const live = alerts.filter((alert) => alert.state.kind !== "resolved");
    const resolvedNow = transitions.filter(({ to }) => to === "resolved").map(({ alert }) => alert);
    const gone = transitions
      .filter(({ to }) => to === "inactive")
      .map(({ alert }) => idOf(alert.ruleKey, alert.labels));
    if (live.length === 0 && transitions.length === 0) return;
    const names = { rule: rule.name, group: group.name };
    await this.#ports.database.transaction(async (tx) => {
      await this.#assertLead(tx);
      await saveAlerts(tx, names, [...live, ...resolvedNow], gone);
      await journalTransitions(tx, names, transitions, now);
    });
    for (const { alert, to } of transitions) {
      this.#ports.logger.info("an alert changed state", {
        rule: rule.name,
        to,
        because: alert.because,
        alertId: idOf(alert.ruleKey, alert.labels),
      });
    }
  }

  /** A replica that was paused past its lease must not write over its successor. */
  async #assertLead(tx: Transaction): Promise<void> {
    if (!(await stillHolds(tx, LEASE, this.#ports.replica)))
      throw new OpsError("ABORTED", "the lease on judging rules has passed to another replica");
  }
}
