/** What stands in a simulated world, and what its parts see of it. */
import type { AgentEvent, AgentKept, AgentState } from "../agent-state.js";
import type { GuardEvent, GuardState } from "../guard.js";
import type { Message } from "../messages.js";
import type { FailoverPolicy } from "../policy.js";
import type { Rules } from "../rules.js";
import type { Epoch, NodeId, VoterId } from "../words.js";
import type { Agenda } from "./agenda.js";
import type { Database } from "./database.js";
import type { Network } from "./network.js";
import type { Rng } from "./rng.js";

export interface SimulatedNode {
  readonly index: number;
  readonly name: NodeId;
  /** How fast its clock goes, and what it showed at the start. */
  readonly rate: number;
  readonly offset: number;
  kept: AgentKept;
  agent: AgentState | null;
  boot: number;
  agentFrozen: boolean;
  guard: GuardState;
  guardFrozen: boolean;
  /** The host has no power. */
  down: boolean;
  /** The host is suspended: agent, guard and database. */
  suspended: boolean;
  inbox: AgentEvent[];
  readonly database: Database;
}

export interface WorldSetup {
  readonly policy: FailoverPolicy;
  readonly rules: Rules;
  readonly seed: number;
  /** The greatest drift of a clock, as a share. */
  readonly drift: number;
  /** Told everything that happens, for an account of one run. */
  readonly tell: ((line: string) => void) | null;
}

/** What the databases see of the world. */
export interface Ground {
  readonly agenda: Agenda;
  readonly nodes: readonly SimulatedNode[];
  readonly network: Network;
  readonly watch: {
    opened(node: SimulatedNode, epoch: Epoch): void;
    write(node: SimulatedNode, rng: Rng): void;
  };
  indexOf(voter: VoterId): number;
  localNow(node: SimulatedNode): number;
  send(from: VoterId, to: VoterId, message: Message): void;
  stepAgent(node: SimulatedNode, event: AgentEvent): void;
  tellGuard(node: SimulatedNode, event: GuardEvent): void;
  watchDeadline(node: SimulatedNode, at: number): void;
}

/** What is looked at for what must never happen. */
export interface Scene {
  readonly agenda: Agenda;
  readonly nodes: readonly SimulatedNode[];
  readonly setup: WorldSetup;
  readonly databases: { streams(node: SimulatedNode): boolean };
  tell(line: () => string): void;
}
