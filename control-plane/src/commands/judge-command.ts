/** Collects what the judgement of a command needs, and judges: policy, how far it reaches, and the safety budget. */
import type { NodeId } from "../kernel/ids.js";
import type { Labels } from "../kernel/labels.js";
import { HOUR, type Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import type { ActionQuestion, SafetyVerdict } from "../safety/domain/judge-action.js";
import type { Safety } from "../safety/safety.module.js";
import type { Topology } from "../topology/domain/component.js";
import { type BlastRadius, blastRadius, ROLE_LABEL } from "../topology/domain/find-impact.js";
import { countOnNode } from "./commands.store.js";
import type { Command } from "./domain/command.js";
import {
  type GuardDecision,
  type GuardInput,
  guardCommand,
  type JudgedPlan,
  withSafety,
} from "./domain/guard-command.js";
import type { Policy } from "./domain/policy.js";
import { readPlan } from "./domain/read-plan.js";

/** What must be known of a node. */
export interface TargetNode {
  readonly id: NodeId;
  readonly name: string;
  readonly labels: Labels;
  /** The actions its agent offers. */
  readonly actions: readonly string[];
  readonly revoked: boolean;
}

export interface JudgePorts {
  /** A node by its id or its name. */
  readonly findNode: (idOrName: string) => Promise<TargetNode | undefined>;
  readonly policy: () => Policy;
  readonly topology: () => Topology;
  /** How many nodes that are not revoked have a label of this value. */
  readonly countNodes: (db: Queryable, label: string, value: string) => Promise<number>;
  /** Undefined: there is no budget to ask for. */
  readonly safety: Pick<Safety, "judge" | "took"> | undefined;
}

/** What stands for a judgement where none can be made: it says no. */
export function denial(because: string): JudgedPlan {
  const decision: GuardDecision = {
    verdict: "deny",
    because,
    rule: "",
    approvals: 0,
    approver: "approver",
    elicitation: false,
  };
  const reach: BlastRadius = {
    nodes: [],
    components: [],
    dependents: [],
    roleShare: 0,
    criticality: undefined,
  };
  return { reach, decision };
}

export class CommandJudge {
  readonly #ports: JudgePorts;

  constructor(ports: JudgePorts) {
    this.#ports = ports;
  }

  /** Judges the plan of a command as things are now. `json` is the plan as the agent made it. */
  async judge(tx: Transaction, command: Command, json: string, now: Instant): Promise<JudgedPlan> {
    const node = await this.#node(command);
    if (node === undefined) return denial(`node "${command.nodeName}" is no longer there`);
    const { open, recent } = await countOnNode(tx, command.nodeId, command.id, now - HOUR);
    const judged = await this.#askPolicy(tx, command, node, json, { open, recent }, now);
    // Where a person is asked, it is no more automatic: they have seen the plan when it runs.
    const automatic = command.requestedBy.kind !== "human" && judged.decision.verdict === "allow";
    if (judged.decision.verdict === "deny") return judged;
    // It is asked again when the order goes, and only then has it to be the last word.
    const safety = await this.#askSafety(tx, command, node, automatic, true, now);
    return { ...judged, decision: withSafety(judged.decision, safety) };
  }

  /** Right before an order goes: what holds it back. When nothing does, the safety budget counts it. */
  async atSending(
    tx: Transaction,
    command: Command,
    now: Instant,
  ): Promise<{ readonly decision: GuardDecision; readonly safety: SafetyVerdict }> {
    const clear: SafetyVerdict = { kind: "clear" };
    const node = await this.#node(command);
    if (node === undefined)
      return { ...denial(`node "${command.nodeName}" is no longer there`), safety: clear };
    const idle = { open: 0, recent: 0 };
    const { decision } = await this.#askPolicy(tx, command, node, command.plan?.json ?? "", idle, now);
    if (decision.verdict === "deny") return { decision, safety: clear };
    const automatic = command.requestedBy.kind !== "human" && command.approvals.length === 0;
    const safety = await this.#askSafety(tx, command, node, automatic, false, now);
    if (safety.kind === "clear")
      await this.#ports.safety?.took(tx, questionOf(command, node, automatic, now), command.id);
    return { decision, safety };
  }

  async #askPolicy(
    tx: Transaction,
    command: Command,
    node: TargetNode,
    json: string,
    { open, recent }: { readonly open: number; readonly recent: number },
    now: Instant,
  ): Promise<JudgedPlan> {
    const reach = await this.#reach(tx, node);
    const input: GuardInput = {
      requestedBy: command.requestedBy,
      roles: command.requestedRoles,
      action: command.action,
      nodeLabels: { ...node.labels, node: node.name },
      requireApproval: command.requireApproval,
      undo: command.undoes !== "",
      inverse: readPlan(json).inverse.kind,
      reach,
      openOnNode: open,
      recentOnNode: recent,
      now,
    };
    return { reach, decision: guardCommand(input, this.#ports.policy()) };
  }

  async #node(command: Command): Promise<TargetNode | undefined> {
    const node = await this.#ports.findNode(command.nodeId);
    return node?.revoked === false ? node : undefined;
  }

  async #reach(tx: Transaction, node: TargetNode): Promise<BlastRadius> {
    const { topology, countNodes } = this.#ports;
    const role = node.labels[ROLE_LABEL];
    const sizes = new Map<string, number>();
    if (role !== undefined) sizes.set(role, await countNodes(tx, ROLE_LABEL, role));
    return blastRadius(topology(), sizes, [node]);
  }

  async #askSafety(
    tx: Transaction,
    command: Command,
    node: TargetNode,
    automatic: boolean,
    tentative: boolean,
    now: Instant,
  ): Promise<SafetyVerdict> {
    const { safety } = this.#ports;
    return safety === undefined
      ? { kind: "clear" }
      : safety.judge(tx, { ...questionOf(command, node, automatic, now), tentative });
  }
}

const questionOf = (
  command: Command,
  { id, name, labels }: TargetNode,
  automatic: boolean,
  now: Instant,
): ActionQuestion => ({
  commandId: command.id,
  actor: command.requestedBy,
  automatic,
  action: command.action,
  argumentsJson: command.argumentsJson,
  node: { id, name, labels },
  undo: command.undoes !== "",
  now,
});
