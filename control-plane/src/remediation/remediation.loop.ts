/**
 * Looks at what fires, chooses, requests a command; looks at what was done, verifies it and takes back what did not help.
 * The state is in PostgreSQL alone, and a request has a name of its own for each attempt, so a crash repeats nothing.
 */
import type { StoredAlert } from "../alerting/alerting.module.js";
import { readAlerts } from "../alerting/alerting.module.js";
import { type CommandDesk, readCommand, readCommands } from "../commands/commands.module.js";
import type { Command } from "../commands/domain/command.js";
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { canonicalJson } from "../kernel/canonical-json.js";
import { messageOf } from "../kernel/errors.js";
import { commandId } from "../kernel/ids.js";
import { HOUR, type Instant, SECOND } from "../kernel/time.js";
import { childSpan, formatTraceparent } from "../kernel/trace.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { Safety } from "../safety/safety.module.js";
import { chooseRemediation } from "./domain/choose-remediation.js";
import {
  fillArguments,
  type Remediation,
  type RemediationRule,
  ruleFor,
  type Step,
  verificationExpr,
} from "./domain/remediation.js";
import { scoreEffect } from "./domain/score-effect.js";
import { type Evidence, verifyRemediation } from "./domain/verify-remediation.js";
import { readEffects, saveEffect } from "./effects.store.js";

export interface RemediationPorts {
  readonly database: Database;
  readonly desk: Pick<CommandDesk, "request" | "undo" | "verified">;
  readonly system: System;
  readonly logger: Logger;
  readonly remediation: () => Remediation;
  readonly safety: Pick<Safety, "judge">;
  /** The node of a name, if there is one. */
  readonly findNode: (name: string) => Promise<Parameters<Safety["judge"]>[1]["node"] | undefined>;
  /** Whether an expression holds now, and why. */
  readonly check: (
    expr: string,
    at: Instant,
  ) => Promise<{ readonly holds: boolean; readonly because: string }>;
}

/** Attempts of one firing that are looked at: more than any ladder has. */
const ATTEMPTS_MAX = 110;

/** What was read before an action ended may be what an expression still sees this long afterwards. */
const SEEN_AFTER = 30 * SECOND;

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
      const rule = ruleFor(this.#ports.remediation().rules, alert.labels);
      if (rule === undefined) continue;
      const attempts = await this.#attemptsOf(alert);
      const verified = await this.#verify(alert, rule, attempts, now);
      if (alert.state.kind !== "firing") continue;
      await this.#choose(alert, rule, verified ? await this.#attemptsOf(alert) : attempts, now);
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

  /** Answers whether anything was found out. */
  async #verify(
    alert: StoredAlert,
    rule: RemediationRule,
    attempts: readonly Command[],
    now: Instant,
  ): Promise<boolean> {
    const { database, desk } = this.#ports;
    const pending = attempts.filter(({ verification }) => verification === "pending");
    if (pending.length === 0) return false;
    const evidence = await this.#evidence(alert, rule, now);
    let verified = false;
    for (const command of pending) {
      const outcome = verifyRemediation(command, evidence, rule.verifyWithin, now);
      if (outcome.kind === "wait") continue;
      // Before the verdict is stored: after a crash in between it is found out again, and counts once.
      if (RAN.has(command.state)) {
        const helped = outcome.kind === "cleared";
        await saveEffect(database, {
          commandId: command.id,
          alert: rule.alert,
          action: command.action,
          helped,
          at: now,
        });
      }
      await desk.verified(command.id, outcome.kind, outcome.because, actorOf(rule));
      verified = true;
    }
    return verified;
  }

  async #evidence(alert: StoredAlert, rule: RemediationRule, now: Instant): Promise<Evidence> {
    const expr = verificationExpr(rule, alert.labels);
    if (expr === undefined) {
      const { state } = alert;
      return {
        kind: "alert",
        firing: state.kind === "firing",
        clearedAt: state.kind === "resolved" ? state.resolvedAt : undefined,
      };
    }
    const at = now - SEEN_AFTER;
    if (expr.kind === "missing")
      return { kind: "check", holds: false, at, because: `the alert has no label "${expr.label}"` };
    try {
      return { kind: "check", at, ...(await this.#ports.check(expr.value, now)) };
    } catch (error) {
      return { kind: "check", holds: false, at, because: `it could not be asked: ${messageOf(error)}` };
    }
  }

  async #choose(
    alert: StoredAlert,
    rule: RemediationRule,
    attempts: readonly Command[],
    now: Instant,
  ): Promise<void> {
    const undoneBy = attempts[0]?.undoneBy ?? "";
    const undoing =
      undoneBy === "" ? undefined : await readCommand(this.#ports.database, commandId(undoneBy));
    const choice = chooseRemediation(rule, attempts, undoing, now);
    switch (choice.kind) {
      case "wait":
        return;
      case "give-up":
        return this.#sayOnce(alert, rule, choice.because, choice.because, now);
      case "undo":
        return this.#undo(alert, rule, choice.command, choice.because, now);
      case "act":
        return this.#act(alert, rule, choice, now);
    }
  }

  async #act(
    alert: StoredAlert,
    rule: RemediationRule,
    { step, attempt, because }: { readonly step: Step; readonly attempt: number; readonly because: string },
    now: Instant,
  ): Promise<void> {
    const held = (why: string): Promise<void> => this.#sayOnce(alert, rule, why, why, now);
    const filled = fillArguments(step, alert.labels);
    if (filled.kind === "missing") return held(`the alert has no label "${filled.label}"`);
    const name = alert.labels[rule.nodeLabel];
    if (name === undefined) return held(`the alert has no label "${rule.nodeLabel}" that names a node`);
    const { desk, system, database, remediation } = this.#ports;
    const argumentsJson = canonicalJson(filled.value);
    const policy = remediation().effects;
    const [effect] = await readEffects(database, now - policy.window, {
      alert: rule.alert,
      action: step.action,
    });
    const score = scoreEffect(effect ?? { tries: 0, helped: 0 }, policy);
    const hold = await this.#askSafety(rule, step, name, argumentsJson, score.demoted, now);
    if (hold !== undefined) return this.#sayOnce(alert, rule, hold.because, hold.by, now);
    try {
      await desk.request({
        requestId: `${firingOf(alert)}/${attempt}`,
        node: name,
        action: step.action,
        argumentsJson,
        requestedBy: actorOf(rule),
        reason: score.demoted ? `${because}; ${score.because}` : because,
        alertId: alert.id,
        requireApproval: score.demoted,
        expiresInMs: rule.expires,
        timeoutMs: step.timeout,
        traceparent: formatTraceparent(childSpan(undefined, system.draws.hex)),
      });
    } catch (error) {
      await held(messageOf(error));
    }
  }

  /**
   * Asked before a command is requested, so that a storm or a pause is waited out here and does not end as a refusal. What
   * a person has to approve anyway is not automatic.
   */
  async #askSafety(
    rule: RemediationRule,
    step: Step,
    name: string,
    argumentsJson: string,
    demoted: boolean,
    now: Instant,
  ): Promise<{ readonly because: string; readonly by: string } | undefined> {
    const { database, safety, findNode } = this.#ports;
    const node = await findNode(name);
    if (node === undefined || demoted) return undefined;
    const verdict = await database.transaction((tx) =>
      safety.judge(tx, {
        commandId: "",
        actor: actorOf(rule),
        automatic: true,
        action: step.action,
        argumentsJson,
        node,
        undo: false,
        tentative: true,
        now,
      }),
    );
    if (verdict.kind === "clear") return undefined;
    return { because: verdict.because, by: verdict.by ?? verdict.because };
  }

  async #undo(
    alert: StoredAlert,
    rule: RemediationRule,
    command: Command,
    because: string,
    now: Instant,
  ): Promise<void> {
    const { desk, system } = this.#ports;
    try {
      await desk.undo(command.id, {
        requestId: `${firingOf(alert)}/undo/${command.id}`,
        requestedBy: actorOf(rule),
        roles: [],
        reason: because,
        hold: false,
        expiresInMs: rule.expires,
        timeoutMs: command.timeoutMs,
        traceparent: formatTraceparent(childSpan(undefined, system.draws.hex)),
      });
    } catch (error) {
      await this.#sayOnce(alert, rule, messageOf(error), "undo", now);
    }
  }

  /** Why nothing is done about a firing alert belongs in its story; the same `key` again is the same reason. */
  async #sayOnce(
    alert: StoredAlert,
    rule: RemediationRule,
    because: string,
    key: string,
    now: Instant,
  ): Promise<void> {
    const firing = firingOf(alert);
    if (this.#said.get(firing) === key) return;
    this.#said.set(firing, key);
    this.#ports.logger.warn("an alert is not remediated", { rule: rule.alert, alertId: alert.id, because });
    await this.#ports.database.transaction((tx) =>
      appendEntries(tx, [
        {
          at: now,
          kind: "remediation.held",
          subject: `alert:${alert.id}`,
          actor: actorOf(rule),
          because,
          facts: { action: rule.ladder[0]?.action ?? "" },
        },
      ]),
    );
  }
}

/** States after which it can be told whether the action helped. */
const RAN: ReadonlySet<Command["state"]> = new Set(["succeeded", "failed", "timed-out"]);

const actorOf = (rule: RemediationRule): Actor => ({ kind: "rule", name: rule.alert });

/** Names one firing of one alert. */
function firingOf(alert: StoredAlert): string {
  return alert.state.kind === "pending" ? `${alert.id}/pending` : `${alert.id}/${alert.state.firedAt}`;
}
