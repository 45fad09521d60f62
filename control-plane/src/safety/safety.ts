/**
 * The one safety budget. Whoever acts on machines asks here first and says here what was done, in the transaction of the
 * act itself: people, schedules, alert rules and AI clients share one account, kept in PostgreSQL.
 *
 * The brake, storms and cases are read in that same transaction, so that a freeze holds on every replica with the next
 * question, and needs nobody to be told.
 */
import type { NewEntry } from "../journal/domain/entry.js";
import { appendEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Database, Queryable, Transaction } from "../platform/postgres/database.js";
import { type System, sha256Hex } from "../platform/system.js";
import type { Case } from "./domain/case.js";
import {
  type ActionQuestion,
  type Brake,
  type DomainFacts,
  isExempt,
  type Judgement,
  judgeAction,
  judgeWorld,
  type SafetyVerdict,
} from "./domain/judge-action.js";
import { domainLabels, domainName, domainsOf, type SafetyPolicy } from "./domain/safety-policy.js";
import { CALM, type DomainHealth, explainStorm, nextStorm, type Storm } from "./domain/storm.js";
import {
  insertAction,
  insertCase,
  lockCase,
  lockSafety,
  readBrake,
  readInFlight,
  readOpenCase,
  readRepeats,
  readSpent,
  readStorms,
  saveBrake,
  saveClosed,
  saveStorm,
} from "./safety.store.js";

export interface SafetyPorts {
  readonly database: Database;
  readonly system: System;
  readonly policy: () => SafetyPolicy;
  /** How the nodes are whose label `label` has `value`; without a value, of all its values. */
  readonly healthOf: (
    db: Queryable,
    label: string,
    value?: string,
  ) => Promise<ReadonlyMap<string, DomainHealth>>;
}

export class Safety {
  readonly #ports: SafetyPorts;

  constructor(ports: SafetyPorts) {
    this.#ports = ports;
  }

  /**
   * Whether an action may be taken now. Takes the safety lock: ask after the command's row is locked and before anything
   * is appended to the journal. May trip the brake or open a case, in the same transaction.
   */
  async judge(tx: Transaction, question: ActionQuestion): Promise<SafetyVerdict> {
    const policy = this.#ports.policy();
    if (isExempt(question, policy)) return { kind: "clear" };
    await lockSafety(tx);
    const { now, node, commandId } = question;
    const target = targetOf(question);
    const brake = await readBrake(tx);
    const facts = {
      brake,
      spent: await readSpent(tx, brake.kind === "released" ? brake.at : 0, now, commandId),
      domains: await this.#domains(tx, node, policy, now),
      repeats: await readRepeats(tx, target, now - policy.cases.within, commandId),
      openCase: (await readOpenCase(tx, target))?.because,
    };
    const judgement = judgeAction(question, facts, policy);
    await this.#carryOut(tx, question, target, judgement);
    const { also: _, ...verdict } = judgement;
    return verdict;
  }

  /** The action is taken: it counts from now on, until the journal tells of its end. Noted twice, it counts once. */
  async took(tx: Transaction, question: ActionQuestion, commandId: string): Promise<void> {
    const policy = this.#ports.policy();
    if (policy.harmless.includes(question.action)) return;
    await lockSafety(tx);
    await insertAction(tx, question, commandId, targetOf(question), domainsOf(policy, question.node.labels));
  }

  /** Whether the brake or a storm stops all that goes on by itself on a node with these labels. */
  async judgeWorld(
    tx: Transaction,
    node: { readonly id: string; readonly labels: Labels },
    now: Instant,
  ): Promise<SafetyVerdict> {
    const policy = this.#ports.policy();
    const [brake, domains] = [await readBrake(tx), await this.#domains(tx, node, policy, now)];
    return judgeWorld({ brake, domains }, policy, now);
  }

  /** Every domain there is, as it is now. */
  async domains(db: Queryable, now: Instant): Promise<readonly DomainFacts[]> {
    const policy = this.#ports.policy();
    const [storms, inFlight] = [await readStorms(db), await readInFlight(db, [], "", now)];
    const facts: DomainFacts[] = [];
    for (const label of domainLabels(policy)) {
      for (const [value, health] of await this.#ports.healthOf(db, label)) {
        const name = domainName(label, value);
        const storm = stormNow(policy, label, storms.get(name) ?? CALM, health, now);
        facts.push({ label, name, health, storm, inFlight: inFlight.get(name) ?? 0 });
      }
    }
    return facts;
  }

  /** Stops all automatic action. Tripped already, it stays as it is. */
  trip(by: Actor, because: string): Promise<Brake> {
    return this.#ports.database.transaction(async (tx) => {
      await lockSafety(tx);
      const before = await readBrake(tx);
      return before.kind === "tripped" ? before : this.#trip(tx, by, because, this.#ports.system.clock.now());
    });
  }

  /** Lets automatic action go on; the budget is counted afresh. Throws FAILED_PRECONDITION when it is not tripped. */
  async reset(by: Actor, because: string): Promise<Brake> {
    if (because.trim() === "")
      throw new OpsError("INVALID_ARGUMENT", "reset the brake: a reason is needed, and none was given");
    if (by.kind !== "human")
      throw new OpsError("PERMISSION_DENIED", `reset the brake: ${by.kind} "${by.name}" is not a person`);
    return this.#ports.database.transaction(async (tx) => {
      await lockSafety(tx);
      const before = await readBrake(tx);
      if (before.kind === "released")
        throw new OpsError("FAILED_PRECONDITION", "reset the brake: it is not tripped");
      const brake: Brake = { kind: "released", at: this.#ports.system.clock.now(), by, because };
      await saveBrake(tx, brake);
      await appendEntries(tx, [entry("safety.brake-reset", "safety:brake", by, because, brake.at)]);
      return brake;
    });
  }

  /** Closes a case; automatic action on its target may go on. Throws NOT_FOUND, FAILED_PRECONDITION when it is closed. */
  async closeCase(id: string, by: Actor, because: string): Promise<Case> {
    if (because.trim() === "")
      throw new OpsError("INVALID_ARGUMENT", `close case "${id}": a reason is needed, and none was given`);
    return this.#ports.database.transaction(async (tx) => {
      await lockSafety(tx);
      const open = await lockCase(tx, id);
      if (open === undefined) throw new OpsError("NOT_FOUND", `close case "${id}": there is none`);
      if (open.closed !== undefined)
        throw new OpsError("FAILED_PRECONDITION", `close case "${id}": ${open.closed.by.name} closed it`);
      const at = this.#ports.system.clock.now();
      const closed: Case = { ...open, closed: { at, by, because } };
      await saveClosed(tx, closed);
      await appendEntries(tx, [
        entry("case.closed", `case:${id}`, by, because, at, { node: open.nodeName, action: open.action }),
      ]);
      return closed;
    });
  }

  /** Looks at every domain: storms begin and end. */
  async watchStorms(now: Instant): Promise<void> {
    const { database, healthOf } = this.#ports;
    const policy = this.#ports.policy();
    await database.transaction(async (tx) => {
      await lockSafety(tx);
      const known = new Set<string>();
      const entries: NewEntry[] = [];
      const storms = await readStorms(tx);
      for (const label of policy.storm.domains) {
        for (const [value, health] of await healthOf(tx, label)) {
          const name = domainName(label, value);
          known.add(name);
          entries.push(...(await this.#turn(tx, name, storms.get(name) ?? CALM, health, policy, now)));
        }
      }
      // A domain without nodes, or one that the policy names no more, has no storm.
      for (const [name, storm] of storms) {
        if (!known.has(name))
          entries.push(...(await this.#turn(tx, name, storm, { nodes: 0, unhealthy: 0 }, policy, now)));
      }
      await appendEntries(tx, entries);
    });
  }

  /** Stores what becomes of one domain's storm; answers what the journal is to be told. */
  async #turn(
    tx: Transaction,
    name: string,
    before: Storm,
    health: DomainHealth,
    policy: SafetyPolicy,
    now: Instant,
  ): Promise<readonly NewEntry[]> {
    const storm = nextStorm(before, health, policy.storm, now);
    if (storm === before) return [];
    const because =
      storm.kind === "calm"
        ? `${name} has been within its limit for long enough`
        : explainStorm(name, storm, health, policy.storm, now);
    await saveStorm(tx, name, storm, because);
    if (storm.kind === before.kind || (storm.kind !== "storm" && before.kind !== "storm")) return [];
    const kind = storm.kind === "storm" ? "safety.storm-began" : "safety.storm-ended";
    return [entry(kind, `domain:${name}`, SYSTEM, because, now, { ...health })];
  }

  async #domains(
    tx: Transaction,
    node: { readonly id: string; readonly labels: Labels },
    policy: SafetyPolicy,
    now: Instant,
  ): Promise<readonly DomainFacts[]> {
    const storms = await readStorms(tx);
    const inFlight = await readInFlight(tx, domainsOf(policy, node.labels), node.id, now);
    const facts: DomainFacts[] = [];
    for (const label of domainLabels(policy)) {
      const value = node.labels[label] ?? "";
      if (value === "") continue;
      const name = domainName(label, value);
      const found = await this.#ports.healthOf(tx, label, value);
      const health = found.get(value) ?? { nodes: 0, unhealthy: 0 };
      const storm = stormNow(policy, label, storms.get(name) ?? CALM, health, now);
      facts.push({ label, name, health, storm, inFlight: inFlight.get(name) ?? 0 });
    }
    return facts;
  }

  async #carryOut(
    tx: Transaction,
    question: ActionQuestion,
    target: string,
    judgement: Judgement,
  ): Promise<void> {
    const { also } = judgement;
    if (also === undefined) return;
    const { now, action, node } = question;
    if (also.kind === "trip") {
      await this.#trip(tx, SYSTEM, also.because, now);
      return;
    }
    const id = this.#ports.system.draws.id(now);
    const opened: Case = {
      id,
      target,
      nodeName: node.name,
      action,
      openedAt: now,
      because: also.because,
      closed: undefined,
    };
    if (!(await insertCase(tx, opened))) return;
    await appendEntries(tx, [
      entry("case.opened", `case:${id}`, question.actor, also.because, now, {
        node: node.name,
        action,
        ...(question.commandId === "" ? {} : { command: question.commandId }),
      }),
    ]);
  }

  async #trip(tx: Transaction, by: Actor, because: string, at: Instant): Promise<Brake> {
    const brake: Brake = { kind: "tripped", at, by, because };
    await saveBrake(tx, brake);
    await appendEntries(tx, [entry("safety.brake-tripped", "safety:brake", by, because, at)]);
    return brake;
  }
}

/** Judged with what is so now, and not with what the last look of the loop found. */
function stormNow(
  policy: SafetyPolicy,
  label: string,
  storm: Storm,
  health: DomainHealth,
  now: Instant,
): Storm {
  return policy.storm.domains.includes(label) ? nextStorm(storm, health, policy.storm, now) : CALM;
}

const targetOf = ({ node, action, argumentsJson }: ActionQuestion): string =>
  `${node.id}/${action}/${sha256Hex(argumentsJson).slice(0, 16)}`;

function entry(
  kind: string,
  subject: string,
  actor: Actor,
  because: string,
  at: Instant,
  facts: NewEntry["facts"] = {},
): NewEntry {
  return { at, kind, subject, actor, because, facts };
}
