/**
 * Looks at what fires, chooses, requests a command; looks at what was done and verifies it. The state is in PostgreSQL
 * alone, and a request has a name of its own for each attempt, so a crash repeats nothing.
 */
import type { StoredAlert } from "../alerting/alerting.module.js";
import { readAlerts } from "../alerting/alerting.module.js";
import { type CommandDesk, readCommands } from "../commands/commands.module.js";
import type { Command } from "../commands/domain/command.js";
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { canonicalJson } from "../kernel/canonical-json.js";
import { messageOf } from "../kernel/errors.js";
import { HOUR, type Instant, SECOND } from "../kernel/time.js";
import { childSpan, formatTraceparent } from "../kernel/trace.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { chooseRemediation } from "./domain/choose-remediation.js";
import { fillArguments, type RemediationRule, ruleFor } from "./domain/remediation.js";
import { verifyRemediation } from "./domain/verify-remediation.js";

export interface RemediationPorts {
  readonly database: Database;
  readonly desk: CommandDesk;
  readonly system: System;
  readonly logger: Logger;
  readonly rules: () => readonly RemediationRule[];
}

/** Attempts of one firing that are looked at. */
const ATTEMPTS_MAX = 20;

export class Remediator {
  readonly loop: Loop;
  readonly #ports: RemediationPorts;
  /** What was said last of each firing, so that a reason is journalled once and not every beat. */
  readonly #said = new Map<string, string>();

  constructor(ports: RemediationPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "remediation",
      interval: 2 * SECOND,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (now) => this.run(now),
    });
  }

  async run(now: Instant): Promise<void> {
    const alerts = await readAlerts(this.#ports.database, now - 24 * HOUR);
    const firings = new Set(alerts.map(firingOf));
    for (const key of this.#said.keys()) if (!firings.has(key)) this.#said.delete(key);
    for (const alert of alerts) {
      const rule = ruleFor(this.#ports.rules(), alert.labels);
      if (rule === undefined) continue;
      const attempts = await this.#attemptsOf(alert);
      await this.#verify(alert, rule, attempts, now);
      if (alert.state.kind === "firing") await this.#choose(alert, rule, await this.#attemptsOf(alert), now);
    }
  }

  /** Commands of this firing, newest first. */
  async #attemptsOf(alert: StoredAlert): Promise<readonly Command[]> {
    const { state } = alert;
    if (state.kind === "pending") return [];
    const commands = await readCommands(this.#ports.database, { alertId: alert.id, limit: ATTEMPTS_MAX });
    return commands.filter(
      (command) => command.requestedBy.kind === "rule" && command.requestedAt >= state.firedAt,
    );
  }

  async #verify(
    alert: StoredAlert,
    rule: RemediationRule,
    attempts: readonly Command[],
    now: Instant,
  ): Promise<void> {
    const { state } = alert;
    const standing = {
      firing: state.kind === "firing",
      clearedAt: state.kind === "resolved" ? state.resolvedAt : undefined,
    };
    for (const command of attempts) {
      if (command.verification !== "pending") continue;
      const outcome = verifyRemediation(command, standing, rule.verifyWithin, now);
      if (outcome.kind !== "wait")
        await this.#ports.desk.verified(command.id, outcome.kind, outcome.because, actorOf(rule));
    }
  }

  async #choose(
    alert: StoredAlert,
    rule: RemediationRule,
    attempts: readonly Command[],
    now: Instant,
  ): Promise<void> {
    const choice = chooseRemediation(rule, attempts, now);
    if (choice.kind === "wait") return;
    if (choice.kind === "give-up") return this.#sayOnce(alert, rule, choice.because, now);
    const filled = fillArguments(rule, alert.labels);
    if (filled.kind === "missing")
      return this.#sayOnce(alert, rule, `the alert has no label "${filled.label}"`, now);
    const node = alert.labels[rule.nodeLabel];
    if (node === undefined)
      return this.#sayOnce(alert, rule, `the alert has no label "${rule.nodeLabel}" that names a node`, now);
    const { desk, system } = this.#ports;
    try {
      await desk.request({
        requestId: `${firingOf(alert)}/${choice.attempt}`,
        node,
        action: rule.action,
        argumentsJson: canonicalJson(filled.arguments),
        requestedBy: actorOf(rule),
        reason: choice.because,
        alertId: alert.id,
        expiresInMs: rule.expires,
        timeoutMs: rule.timeout,
        traceparent: formatTraceparent(childSpan(undefined, system.draws.hex)),
      });
    } catch (error) {
      await this.#sayOnce(alert, rule, messageOf(error), now);
    }
  }

  /** Why nothing is done about a firing alert belongs in its story. */
  async #sayOnce(alert: StoredAlert, rule: RemediationRule, because: string, now: Instant): Promise<void> {
    const firing = firingOf(alert);
    if (this.#said.get(firing) === because) return;
    this.#said.set(firing, because);
    this.#ports.logger.warn("an alert is not remediated", { rule: rule.alert, alertId: alert.id, because });
    await this.#ports.database.transaction((tx) =>
      appendEntries(tx, [
        {
          at: now,
          kind: "remediation.held",
          subject: `alert:${alert.id}`,
          actor: actorOf(rule),
          because,
          facts: { action: rule.action },
        },
      ]),
    );
  }
}

const actorOf = (rule: RemediationRule): Actor => ({ kind: "rule", name: rule.alert });

/** Names one firing of one alert. */
function firingOf(alert: StoredAlert): string {
  return alert.state.kind === "pending" ? `${alert.id}/pending` : `${alert.id}/${alert.state.firedAt}`;
}
