/**
 * Who judges the rules, and when: each group at its own moments, on the one replica that sees all samples and holds the
 * lease.
 */

import { labelsKey } from "../kernel/labels.js";
import { DAY, type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop, type LoopStatus } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import { holdLease, releaseLease, stillHolds } from "../platform/postgres/lease.js";
import type { System } from "../platform/system.js";
import { pruneAlerts, readAlerts, readOrphans, saveChanges } from "./alerts.store.js";
import { distinctKeys } from "./domain/distinct-keys.js";
import type { Alert } from "./domain/evaluate-rule.js";
import { type CatchUp, readyToEvaluate } from "./domain/ready-to-evaluate.js";
import type { Rule, RuleGroup } from "./domain/rule.js";
import { alertSeries } from "./domain/rule-series.js";
import { type GroupFigures, GroupLoop } from "./group.loop.js";
import { GroupJudge, type JudgePorts, leadLost, type RuleStatus } from "./judge-group.js";

export type { RuleStatus } from "./judge-group.js";

const LEASE = "alerting";
const LEASE_LENGTH: Duration = 6 * SECOND;
/** How often the lease is renewed and the gate is looked at. */
const BEAT: Duration = SECOND;
/** How long a resolved alert is kept for whoever asks. */
const RESOLVED_KEPT: Duration = 7 * DAY;

export interface EvaluationPorts
  extends Pick<JudgePorts, "evaluateMany" | "append" | "nodes" | "surroundings"> {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  /** Names this replica. */
  readonly replica: string;
  /** Since when this replica sees all samples; undefined while another does. */
  readonly leadsSince: () => Instant | undefined;
  readonly catchUp: () => Promise<CatchUp>;
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
  #groupLoops: readonly GroupLoop[] = [];
  /** Undefined while another replica judges. */
  #judge: GroupJudge | undefined;
  #because = "not started";
  /** Changes of what is in force are made one after another. */
  #change: Promise<void> = Promise.resolve();

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
    await this.#inTurn(() => this.#stopGroups());
    if (this.#judge !== undefined)
      await releaseLease(this.#ports.database, LEASE, this.#ports.replica).catch(() => {});
  }

  /** The groups in force from now on. Alerts keep their state by rule key. */
  async use(groups: readonly RuleGroup[]): Promise<void> {
    await this.#inTurn(async () => {
      const before = this.#groups.flatMap(({ rules }) => rules.map(({ key }) => key));
      this.#groups = distinctKeys(groups);
      const kept = new Set(this.#groups.flatMap(({ rules }) => rules.map(({ key }) => key)));
      await this.#startGroups(before.filter((key) => !kept.has(key)));
    });
  }

  get groups(): readonly RuleGroup[] {
    return this.#groups;
  }

  /** Why rules are, or are not, judged here. */
  get because(): string {
    return this.#because;
  }

  statusOf(rule: Rule): RuleStatus {
    return this.#judge?.statusOf(rule) ?? UNKNOWN;
  }

  loops(): readonly LoopStatus[] {
    return [this.#lead.status, ...this.#groupLoops.map(({ status }) => status)];
  }

  /** What each group's loop counted since it began. */
  figures(): readonly (GroupFigures & { readonly group: RuleGroup })[] {
    return this.#groupLoops.map((loop) => ({ group: loop.group, ...loop.figures }));
  }

  async #leadOnce(): Promise<void> {
    const { database, replica, logger, system, catchUp, leadsSince } = this.#ports;
    const since = leadsSince();
    if (since === undefined || since !== this.#leadsSince) {
      // Without all samples nothing is judged, and what another has judged meanwhile is to be read anew.
      this.#leadsSince = since;
      if (this.#judge !== undefined) await this.#stepDown();
    }
    if (since === undefined) {
      this.#because = "another replica judges the rules";
      return;
    }
    if (this.#judge === undefined) {
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
      if (this.#judge !== undefined) await this.#stepDown();
      return;
    }
    if (this.#judge !== undefined) return;
    const alerts = await this.#load();
    await this.#inTurn(async () => {
      this.#judge = this.#newJudge(alerts);
      this.#because = "this replica judges the rules";
      logger.info("rules are judged here", {
        groups: this.#groups.length,
        alerts: alerts.size,
        generation: lease.generation,
      });
      await this.#startGroups([]);
    });
  }

  async #stepDown(): Promise<void> {
    const { database, replica, logger } = this.#ports;
    logger.warn("the rules are judged here no more");
    await this.#inTurn(async () => {
      await this.#stopGroups();
      this.#judge = undefined;
    });
    await releaseLease(database, LEASE, replica).catch(() => {});
  }

  #newJudge(alerts: Map<string, ReadonlyMap<string, Alert>>): GroupJudge {
    const { database, system, logger, replica } = this.#ports;
    const { surroundings, evaluateMany, append, nodes } = this.#ports;
    const ports: JudgePorts = {
      database,
      clock: system.clock,
      logger,
      surroundings,
      evaluateMany,
      append,
      nodes,
      // A replica that was paused past its lease must not write over its successor.
      assertLead: async (tx) => {
        if (!(await stillHolds(tx, LEASE, replica))) throw leadLost();
      },
    };
    return new GroupJudge(ports, alerts);
  }

  async #load(): Promise<Map<string, ReadonlyMap<string, Alert>>> {
    const { database, system } = this.#ports;
    const now = system.clock.now();
    await pruneAlerts(database, now - RESOLVED_KEPT);
    const byRule = new Map<string, Map<string, Alert>>();
    // Those resolved of late too: what fires again and again is known by its past.
    for (const alert of await readAlerts(database, now - DAY)) {
      const ofRule = byRule.get(alert.ruleKey) ?? new Map<string, Alert>();
      byRule.set(alert.ruleKey, ofRule.set(labelsKey(alert.labels), alert));
    }
    return byRule;
  }

  /** Groups that are as they were go on; `gone` are the keys of rules that are in force no more. */
  async #startGroups(gone: readonly string[]): Promise<void> {
    const judge = this.#judge;
    if (judge === undefined) return;
    const wanted = new Map(this.#groups.map((group) => [JSON.stringify(group), group]));
    const kept = this.#groupLoops.filter((loop) => wanted.has(JSON.stringify(loop.group)));
    const ended = this.#groupLoops.filter((loop) => !kept.includes(loop));
    await Promise.all(ended.map((loop) => loop.stop()));
    await judge.settled();
    judge.use(this.#groups);
    await this.#endOrphans();
    await judge.forget(gone, this.#ports.system.clock.now());
    const running = new Set(kept.map((loop) => JSON.stringify(loop.group)));
    const { system, logger } = this.#ports;
    const begun = [...wanted].flatMap(([text, group]) =>
      running.has(text)
        ? []
        : [new GroupLoop({ group, clock: system.clock, logger, run: (of, now) => judge.judge(of, now) })],
    );
    this.#groupLoops = [...kept, ...begun];
    for (const loop of begun) loop.start();
  }

  async #stopGroups(): Promise<void> {
    const loops = this.#groupLoops;
    this.#groupLoops = [];
    await Promise.all(loops.map((loop) => loop.stop()));
    await this.#judge?.settled();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#change.then(work);
    this.#change = done.catch(() => {});
    return done;
  }

  /** Alerts whose rule is gone resolve, as in Prometheus. */
  async #endOrphans(): Promise<void> {
    const { database, system, append, replica } = this.#ports;
    const keys = this.#groups.flatMap((group) => group.rules.map((rule) => rule.key));
    const now = system.clock.now();
    for (const orphan of await readOrphans(database, keys)) {
      const because = "the rule is no longer in force";
      const { activeAt } = orphan.state;
      const firedAt = orphan.state.kind === "pending" ? activeAt : orphan.state.firedAt;
      const resolved: Alert = {
        ...orphan,
        because,
        state: { kind: "resolved", activeAt, firedAt, resolvedAt: now },
      };
      const transition = { alert: resolved, from: orphan.state.kind, to: "resolved" } as const;
      await database.transaction(async (tx) => {
        if (!(await stillHolds(tx, LEASE, replica))) throw leadLost();
        const { rule, group } = orphan;
        await saveChanges(tx, [{ rule, group, alerts: [], transitions: [transition], flaps: [] }], now);
      });
      await append(alertSeries([resolved], [transition], now));
    }
  }
}
