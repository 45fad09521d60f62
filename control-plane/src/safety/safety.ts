/**
 * The one safety budget. Whoever acts on machines asks here first and says here what was done, in the transaction of the
 * act itself: people, schedules, alert rules and AI clients share one account, kept in PostgreSQL.
 *
 * The brake, storms and cases are read in that same transaction, so that a freeze holds on every replica with the next
 * question, and needs nobody to be told.
 */
import { appendEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import { compareText, type Labels } from "../kernel/labels.js";
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
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
import { CALM, type DomainHealth, isExceeded, nextStorm, type Storm } from "./domain/storm.js";
import { entry } from "./journalled-safety.js";
import {
  insertAction,
  insertCase,
  lockCase,
  lockSafety,
  readBrake,
  readBudget,
  readInFlight,
  readRepeats,
  readStorms,
  saveBrake,
  saveClosed,
} from "./safety.store.js";
import { turnStorms } from "./turn-storms.js";

/** How the nodes with one value of a label are. */
export interface LabelHealth extends DomainHealth {
  readonly label: string;
  readonly value: string;
}

export interface SafetyPorts {
  readonly database: Database;
  readonly system: System;
  readonly policy: () => SafetyPolicy;
  /** How the nodes are by the values of these labels; with `of`, by its values alone. */
  readonly healthOf: (
    db: Queryable,
    labels: readonly string[],
    of: Labels | undefined,
  ) => Promise<readonly LabelHealth[]>;
}

/** How many nodes a domain has may be so old where it only bounds what people do at once. */
const SIZES_KEPT: Duration = 5 * SECOND;

export class Safety {
  readonly #ports: SafetyPorts;
  /** What the last look at all domains found, by name. */
  #seen: { readonly at: number; readonly health: ReadonlyMap<string, LabelHealth> } | undefined;

  constructor(ports: SafetyPorts) {
    this.#ports = ports;
  }

  /**
   * Whether an action may be taken now. Takes the safety lock, unless the question is tentative: ask after the command's
   * row is locked and before anything is appended to the journal. May trip the brake or open a case, in the same
   * transaction.
   */
  async judge(tx: Transaction, question: ActionQuestion): Promise<SafetyVerdict> {
    const policy = this.#ports.policy();
    if (isExempt(question, policy)) return { kind: "clear" };
    if (question.tentative !== true) await lockSafety(tx);
    const { now, node, commandId, automatic } = question;
    const target = targetOf(question);
    const { brake, spent } = await readBudget(tx, now, commandId);
    // What holds only what is automatic is not looked up for people.
    const labels = automatic ? domainLabels(policy) : policy.inFlight.map(({ label }) => label);
    const repeated = automatic
      ? await readRepeats(tx, target, now - policy.cases.within, commandId)
      : { repeats: [], openCase: undefined };
    const domains = await this.#domains(tx, node, labels, automatic, now);
    const judgement = judgeAction(question, { brake, spent, domains, ...repeated }, policy);
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
    db: Queryable,
    node: { readonly id: string; readonly labels: Labels },
    now: Instant,
  ): Promise<SafetyVerdict> {
    const policy = this.#ports.policy();
    const domains = await this.#domains(db, node, policy.storm.domains, true, now);
    return judgeWorld({ brake: await readBrake(db), domains }, policy, now);
  }

  /** Every domain there is, as it is now. */
  async domains(db: Queryable, now: Instant): Promise<readonly DomainFacts[]> {
    const policy = this.#ports.policy();
    const [storms, inFlight] = [await readStorms(db), await readInFlight(db, [], "", now)];
    const facts: DomainFacts[] = [];
    for (const { label, value, nodes, unhealthy } of await this.#ports.healthOf(
      db,
      domainLabels(policy),
      undefined,
    )) {
      const name = domainName(label, value);
      const health = { nodes, unhealthy };
      const storm = stormNow(policy, label, storms.get(name) ?? CALM, health, now);
      facts.push({ label, name, health, storm, inFlight: inFlight.get(name) ?? 0 });
    }
    return facts.sort((a, b) => compareText(a.name, b.name));
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
    const { database, healthOf, system } = this.#ports;
    const policy = this.#ports.policy();
    const found = await healthOf(database, domainLabels(policy), undefined);
    this.#seen = {
      at: system.clock.monotonic(),
      health: new Map(found.map((one) => [domainName(one.label, one.value), one])),
    };
    const storms = found.filter(({ label }) => policy.storm.domains.includes(label));
    // Nearly always there is no storm and none begins: then nobody has to take turns.
    if (!storms.some((one) => isExceeded(one, policy.storm)) && (await readStorms(database)).size === 0)
      return;
    await database.transaction(async (tx) => {
      await lockSafety(tx);
      await turnStorms(tx, storms, policy, now);
    });
  }

  /** The domains of a node by these labels. A domain in which nothing is under way or matters is not counted. */
  async #domains(
    db: Queryable,
    node: { readonly id: string; readonly labels: Labels },
    labels: readonly string[],
    automatic: boolean,
    now: Instant,
  ): Promise<readonly DomainFacts[]> {
    const policy = this.#ports.policy();
    const names = domainsOf(policy, node.labels);
    const inFlight = await readInFlight(db, names, node.id, now);
    const counted = labels.filter((label) => {
      const name = domainName(label, node.labels[label] ?? "");
      return (inFlight.get(name) ?? 0) > 0 || (automatic && policy.storm.domains.includes(label));
    });
    if (counted.length === 0) return [];
    const storms = automatic ? await readStorms(db) : new Map<string, Storm>();
    const health = automatic
      ? await this.#ports.healthOf(db, counted, node.labels)
      : await this.#lately(db, counted, node.labels);
    return health.map(({ label, value, nodes, unhealthy }) => {
      const name = domainName(label, value);
      const found = { nodes, unhealthy };
      const storm = stormNow(policy, label, storms.get(name) ?? CALM, found, now);
      return { label, name, health: found, storm, inFlight: inFlight.get(name) ?? 0 };
    });
  }

  /** As the last look found them, when that was lately: people's actions are many when they come in waves. */
  async #lately(db: Queryable, labels: readonly string[], of: Labels): Promise<readonly LabelHealth[]> {
    const { system, healthOf } = this.#ports;
    const seen = this.#seen;
    if (seen === undefined || system.clock.monotonic() - seen.at > SIZES_KEPT)
      return healthOf(db, labels, of);
    return labels.flatMap((label) => seen.health.get(domainName(label, of[label] ?? "")) ?? []);
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
    // Another may have tripped it at the same moment: it is told once.
    if (!(await saveBrake(tx, brake))) return readBrake(tx);
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
