/** Collects what the judgement of a command needs, and judges: policy, how far it reaches, and the safety budget. */
import type { NodeId } from "../kernel/ids.js";
import type { Labels } from "../kernel/labels.js";
import { HOUR, type Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import type { ActionQuestion, SafetyVerdict } from "../safety/domain/judge-action.js";
import type { Safety } from "../safety/safety.module.js";
import type { Topology } from "../topology/domain/component.js";
import { type BlastRadius, blastRadius, ROLE_LABEL } from "../topology/domain/find-impact.js";
import { countOnNodes, type NodeLoad } from "./commands.store.js";
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
  /** The same for many at once, by what was asked for. @default one after another */
  readonly findNamed?: (idsOrNames: readonly string[]) => Promise<ReadonlyMap<string, TargetNode>>;
  /** Those of these nodes that there are. @default one after another */
  readonly findNodes?: (ids: readonly NodeId[]) => Promise<readonly TargetNode[]>;
  readonly policy: () => Policy;
  readonly topology: () => Topology;
  /** How many nodes that are not revoked have a label of this value. */
  readonly countNodes: (db: Queryable, label: string, value: string) => Promise<number>;
  /** Undefined: there is no budget to ask for. */
  readonly safety: Pick<Safety, "judge" | "took"> | undefined;
}

/** What was read at once for commands that are judged together. */
export interface Look {
  readonly commands: readonly Command[];
  readonly nodes: ReadonlyMap<NodeId, TargetNode>;
  /** By command; what is let go meanwhile is added. */
  readonly loads: Map<string, NodeLoad>;
  /** How many nodes have a role, of those that were asked for. */
  readonly roles: Map<string, number>;
}

/** A plan's judgement, and what its parts were. */
export interface FullJudgement extends JudgedPlan {
  /** What policy alone says. */
  readonly policy: GuardDecision;
  readonly safety: SafetyVerdict;
}

const CLEAR: SafetyVerdict = { kind: "clear" };
const IDLE: NodeLoad = { open: 0, recent: 0 };

/** What stands for a judgement where none can be made: it says no. */
export function denial(because: string): FullJudgement {
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
  return { reach, decision, policy: decision, safety: CLEAR };
}

export class CommandJudge {
  readonly #ports: JudgePorts;

  constructor(ports: JudgePorts) {
    this.#ports = ports;
  }

  /** Reads what judging the plans of these commands needs. */
  async look(tx: Transaction, commands: readonly Command[], now: Instant): Promise<Look> {
    const { findNodes, findNode } = this.#ports;
    if (commands.length === 0) return { commands, nodes: new Map(), loads: new Map(), roles: new Map() };
    const ids = [...new Set(commands.map(({ nodeId }) => nodeId))];
    const found =
      findNodes === undefined
        ? (await Promise.all(ids.map(findNode))).filter((node) => node !== undefined)
        : await findNodes(ids);
    const loads = await countOnNodes(tx, commands, now - HOUR);
    return { commands, nodes: new Map(found.map((node) => [node.id, node])), loads, roles: new Map() };
  }

  /**
   * Judges the plan of a command as things are now. `json` is the plan as the agent made it.
   * @param look what was read for several; read for this one otherwise
   * @param goes its order goes in this transaction if it may: then this is the safety budget's last word
   */
  async judge(
    tx: Transaction,
    command: Command,
    json: string,
    now: Instant,
    look?: Look,
    goes = false,
  ): Promise<FullJudgement> {
    const { nodes, loads, roles } = look ?? (await this.look(tx, [command], now));
    const node = nodes.get(command.nodeId);
    if (node?.revoked !== false) return denial(`node "${command.nodeName}" is no longer there`);
    const load = loads.get(command.id) ?? IDLE;
    const judged = await this.#askPolicy(tx, command, node, json, load, now, roles);
    const { decision: policy } = judged;
    // Where a person is asked, it is no more automatic: they have seen the plan when it runs.
    const automatic = command.requestedBy.kind !== "human" && policy.verdict === "allow";
    if (policy.verdict === "deny") return { ...judged, policy, safety: CLEAR };
    // It is asked again when the order goes, and only then has it to be the last word.
    const safety = await this.#askSafety(tx, command, node, automatic, !goes, now);
    return { ...judged, decision: withSafety(policy, safety), policy, safety };
  }

  /** A command was let go that is not stored yet: it counts for the others of its node. */
  letGo(command: Command, { commands, loads }: Look): void {
    for (const { id, nodeId } of commands) {
      if (nodeId !== command.nodeId || id === command.id) continue;
      const { open, recent } = loads.get(id) ?? IDLE;
      loads.set(id, { open: open + 1, recent: recent + 1 });
    }
  }

  /** An order goes that {@link judge} let go: the safety budget counts it. */
  async took(tx: Transaction, command: Command, look: Look, now: Instant): Promise<void> {
    const node = look.nodes.get(command.nodeId);
    const automatic = command.requestedBy.kind !== "human" && command.approvals.length === 0;
    if (node !== undefined)
      await this.#ports.safety?.took(tx, questionOf(command, node, automatic, now), command.id);
  }

  /** Right before an order goes: what holds it back. When nothing does, the safety budget counts it. */
  async atSending(
    tx: Transaction,
    command: Command,
    now: Instant,
  ): Promise<{ readonly decision: GuardDecision; readonly safety: SafetyVerdict }> {
    const node = await this.#node(command);
    if (node === undefined)
      return { ...denial(`node "${command.nodeName}" is no longer there`), safety: CLEAR };
    const { decision } = await this.#askPolicy(tx, command, node, command.plan?.json ?? "", IDLE, now);
    if (decision.verdict === "deny") return { decision, safety: CLEAR };
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
    { open, recent }: NodeLoad,
    now: Instant,
    roles = new Map<string, number>(),
  ): Promise<JudgedPlan> {
    const reach = await this.#reach(tx, node, roles);
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

  async #reach(tx: Transaction, node: TargetNode, sizes: Map<string, number>): Promise<BlastRadius> {
    const { topology, countNodes } = this.#ports;
    const role = node.labels[ROLE_LABEL];
    if (role !== undefined && !sizes.has(role)) sizes.set(role, await countNodes(tx, ROLE_LABEL, role));
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
