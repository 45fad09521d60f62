/**
 * A cluster in virtual time: the real reducers of the control plane, the agents and the guards; under them clocks that
 * drift, a network that loses, delays, doubles and cuts, databases, and processes that die between any two effects.
 *
 * Two things are taken for granted, as no software on the host can bring them about: a guard and its agent are not stopped
 * at the same time while their database runs; and when a whole host was suspended, the guard acts before the database
 * answers anyone. Synchronous mode needs neither.
 */
import { bootAgent, stepAgent } from "../agent.js";
import { type AgentEvent, type AgentStep, firstKept } from "../agent-state.js";
import { applyRecord } from "../apply-record.js";
import { bootControl, stepControl } from "../control.js";
import type { ControlEvent, ControlState, ControlStep } from "../control-state.js";
import { type ClusterState, firstCluster, type LogRecord, type RecordKind } from "../decision.js";
import { noDeadline, stepGuard } from "../guard.js";
import type { Message } from "../messages.js";
import { CONTROL_PLANE, type VoterId } from "../words.js";
import { Agenda } from "./agenda.js";
import { Database } from "./database.js";
import { Databases } from "./databases.js";
import { Network } from "./network.js";
import { Poolers } from "./poolers.js";
import { Rng } from "./rng.js";
import type { SimulatedNode, WorldSetup } from "./simulated.js";
import { Watch } from "./watch.js";

const TICK_MS = 100;
/** What a stopped process finds when it goes on; more than that its kernel would have dropped as well. */
const INBOX_MAX = 200;

export class World {
  readonly agenda = new Agenda();
  readonly nodes: SimulatedNode[];
  readonly watch: Watch;
  /** What was written down, all of it, for the check of the trace. */
  readonly trace: LogRecord[] = [];
  control: ControlState | null;
  /** What a control plane that is started again reads back. */
  kept: ClusterState;
  controlFrozen = false;
  controlInbox: ControlEvent[] = [];
  /** The control plane dies once for a second at this record: when it is written down, or while it is (torn). */
  dieAt: { readonly record: RecordKind; readonly torn: boolean } | null = null;
  readonly network: Network;
  readonly databases: Databases;
  readonly poolers: Poolers;
  steps = 0;
  onPage: (epoch: number, because: string) => void = () => {};
  readonly #controlRate: number;
  readonly #rng: Rng;
  readonly #crash: Rng;

  constructor(readonly setup: WorldSetup) {
    const { policy, seed, drift } = setup;
    this.#rng = new Rng(seed, 1);
    this.#crash = new Rng(seed, 3);
    const clocks = new Rng(seed, 4);
    const drawRate = (): number => 1 + drift * clocks.pick([-1, 0, 1, clocks.between(-1, 1)]);
    this.#controlRate = drawRate();
    const [primary = ""] = policy.members;
    this.nodes = policy.members.map((name, index) => ({
      index,
      name,
      rate: drawRate(),
      offset: 1_000_000 + clocks.below(1_000_000),
      kept: firstKept(primary, name),
      agent: null,
      boot: 0,
      agentFrozen: false,
      guard: noDeadline,
      guardFrozen: false,
      down: false,
      suspended: false,
      inbox: [],
      database: new Database(),
    }));
    this.kept = firstCluster(primary);
    const hosts = policy.members.length + 1 + (policy.poolers?.length ?? 0);
    this.network = new Network(hosts, this.agenda, new Rng(seed, 2));
    this.databases = new Databases(this, new Rng(seed, 6));
    this.watch = new Watch(this);
    this.poolers = new Poolers(this, policy.poolers ?? [], primary, new Rng(seed, 7));
    this.control = bootControl(policy, this.kept, this.controlNow(), setup.rules);
    for (const node of this.nodes) this.bootAgent(node);
    this.agenda.after(1, () => this.#controlTick());
  }

  localNow = (node: SimulatedNode): number => node.offset + this.agenda.now * node.rate;
  controlNow = (): number => 5_000_000 + this.agenda.now * this.#controlRate;
  indexOf = (voter: VoterId): number =>
    voter === CONTROL_PLANE ? this.nodes.length : this.nodes.findIndex((node) => node.name === voter);

  run(forMs: number): void {
    const until = this.agenda.now + forMs;
    while (this.watch.violation === null && this.agenda.step(until)) this.watch.look();
    if (this.watch.violation === null) this.agenda.now = until;
  }

  tell(line: () => string): void {
    if (this.setup.tell !== null) this.setup.tell(`${(this.agenda.now / 1000).toFixed(3)} ${line()}`);
  }

  // Processes

  bootAgent(node: SimulatedNode): void {
    if (node.agent !== null || node.down) return;
    node.boot += 1;
    node.inbox = [];
    node.database.deadline = Number.POSITIVE_INFINITY;
    const { policy, rules } = this.setup;
    this.tell(() => `${node.name} agent starts`);
    const boot = node.boot;
    this.#carryOut(node, bootAgent(policy, node.name, node.kept, boot, this.localNow(node), rules), "boot");
    this.agenda.after(this.#rng.between(1, TICK_MS), () => this.#agentTick(node, boot));
  }

  crashAgent(node: SimulatedNode): void {
    if (node.agent === null) return;
    this.tell(() => `${node.name} agent dies`);
    node.agent = null;
    node.agentFrozen = false;
    node.inbox = [];
    if (!node.guardFrozen) this.tellGuard(node, { kind: "agent-gone" });
    else {
      // The kernel ends the guard with its parent, and the database with the guard, whether they are stopped or not.
      node.guardFrozen = false;
      this.databases.exit(node);
    }
  }

  crashNode(node: SimulatedNode): void {
    if (node.down) return;
    this.tell(() => `${node.name} loses power`);
    node.down = true;
    node.agent = null;
    node.agentFrozen = false;
    node.suspended = false;
    node.inbox = [];
    node.guard = noDeadline;
    node.guardFrozen = false;
    this.databases.stop(node);
  }

  startNode(node: SimulatedNode): void {
    if (!node.down) return;
    this.tell(() => `${node.name} has power again`);
    node.down = false;
    this.bootAgent(node);
  }

  crashDatabase(node: SimulatedNode): void {
    if (node.database.mode === "down") return;
    this.tell(() => `${node.name} database crashes`);
    this.databases.exit(node);
  }

  freezeAgent(node: SimulatedNode): void {
    if (node.agent === null || node.guardFrozen) return;
    this.tell(() => `${node.name} agent freezes`);
    node.agentFrozen = true;
  }

  thawAgent(node: SimulatedNode): void {
    if (!node.agentFrozen) return;
    this.tell(() => `${node.name} agent thaws`);
    node.agentFrozen = false;
    this.#drainInbox(node);
  }

  freezeGuard(node: SimulatedNode): void {
    if (node.agent === null || node.agentFrozen || node.suspended) return;
    this.tell(() => `${node.name} guard freezes`);
    node.guardFrozen = true;
  }

  thawGuard(node: SimulatedNode): void {
    if (!node.guardFrozen) return;
    this.tell(() => `${node.name} guard thaws`);
    node.guardFrozen = false;
    this.tellGuard(node, node.agent === null ? { kind: "agent-gone" } : { kind: "tick" });
  }

  suspend(node: SimulatedNode): void {
    if (node.down) return;
    this.tell(() => `${node.name} is suspended`);
    node.suspended = true;
  }

  wake(node: SimulatedNode): void {
    if (!node.suspended) return;
    this.tell(() => `${node.name} wakes`);
    node.suspended = false;
    const { deadline } = node.guard;
    const late = deadline !== 0 && this.localNow(node) >= deadline;
    if (late && this.setup.rules.guardKills) this.databases.exit(node);
    this.#drainInbox(node);
  }

  crashControl(): void {
    if (this.control === null) return;
    this.tell(() => "control plane dies");
    this.control = null;
    this.controlFrozen = false;
    this.controlInbox = [];
  }

  startControl(): void {
    if (this.control !== null) return;
    this.tell(() => "control plane starts");
    this.control = bootControl(this.setup.policy, this.kept, this.controlNow(), this.setup.rules);
    this.kept = this.control.kept;
  }

  thawControl(): void {
    if (!this.controlFrozen) return;
    this.controlFrozen = false;
    const events = this.controlInbox;
    this.controlInbox = [];
    for (const event of events) this.stepControl(event);
  }

  // The agents

  send(from: VoterId, to: VoterId, message: Message): void {
    const target = this.indexOf(to);
    this.network.send(this.indexOf(from), target, () => {
      const node = this.nodes[target];
      if (node === undefined) this.stepControl({ kind: "message", from, message });
      else this.stepAgent(node, { kind: "message", from, message });
    });
  }

  #agentTick(node: SimulatedNode, boot: number): void {
    if (node.boot !== boot || node.agent === null) return;
    if (!node.agentFrozen && !node.suspended) this.stepAgent(node, { kind: "tick" });
    this.agenda.after(TICK_MS, () => this.#agentTick(node, boot));
  }

  #drainInbox(node: SimulatedNode): void {
    const events = node.inbox;
    node.inbox = [];
    for (const event of events) this.stepAgent(node, event);
  }

  stepAgent(node: SimulatedNode, event: AgentEvent): void {
    if (node.agent === null) return;
    if (node.agentFrozen || node.suspended) {
      if (node.inbox.length < INBOX_MAX) node.inbox.push(event);
      return;
    }
    const { policy, rules } = this.setup;
    const step = stepAgent(policy, node.agent, event, this.localNow(node), rules);
    this.#carryOut(node, step, event.kind === "message" ? event.message.kind : event.kind);
  }

  #carryOut(node: SimulatedNode, step: AgentStep, why: string): void {
    this.steps += 1;
    if (why !== "tick" && why !== "progress" && step.because !== "") {
      this.tell(() => `${node.name} ${why}: ${step.because}`);
    }
    // Where the process dies within this step: before anything was kept, or after so many effects.
    let left = Number.POSITIVE_INFINITY;
    if (this.network.turbulent && this.#crash.chance(step.effects.length > 1 ? 0.002 : 0.0002)) {
      left = this.#crash.below(step.effects.length + 2) - 1;
    }
    if (left >= 0) {
      node.kept = step.state.kept;
      node.agent = step.state;
      for (const effect of step.effects) {
        if (left <= 0) break;
        left -= 1;
        this.databases.perform(node, effect);
      }
    }
    if (left === Number.POSITIVE_INFINITY) return;
    if (left > 0 && step.effects.length > 0) return;
    node.agent = step.state;
    this.crashAgent(node);
    this.agenda.after(this.#crash.between(50, 2_000), () => this.bootAgent(node));
  }

  tellGuard(node: SimulatedNode, event: Parameters<typeof stepGuard>[1]): void {
    if (node.down || node.suspended) return;
    if (node.guardFrozen) {
      // Its pipe is read when it goes on: the newest deadline counts.
      if (event.kind === "deadline") node.guard = { ...node.guard, deadline: event.at };
      if (event.kind === "database-gone") node.guard = noDeadline;
      return;
    }
    this.steps += 1;
    const step = stepGuard(node.guard, event, this.localNow(node), this.setup.rules);
    node.guard = step.state;
    if (step.kill) this.databases.kill(node);
  }

  /** The guard's timer, and the agent's own. */
  watchDeadline(node: SimulatedNode, at: number): void {
    if (!Number.isFinite(at)) return;
    const delay = Math.max(0, (at - this.localNow(node)) / node.rate) + 0.001;
    this.agenda.after(delay, () => {
      if (node.guard.deadline === at) this.tellGuard(node, { kind: "tick" });
      if (node.agent?.leaseUntil === at && !node.agentFrozen && !node.suspended) {
        this.stepAgent(node, { kind: "tick" });
      }
    });
  }

  // The control plane

  #controlTick(): void {
    this.agenda.after(TICK_MS, () => this.#controlTick());
    if (!this.controlFrozen) this.stepControl({ kind: "tick" });
  }

  stepControl(event: ControlEvent): void {
    if (this.control === null) return;
    if (this.controlFrozen) {
      if (this.controlInbox.length < INBOX_MAX) this.controlInbox.push(event);
      return;
    }
    const { policy, rules } = this.setup;
    this.#act(stepControl(policy, this.control, event, this.controlNow(), rules));
  }

  #act(step: ControlStep): void {
    this.steps += 1;
    const size = step.records.length + step.effects.length;
    let left = Number.POSITIVE_INFINITY;
    let awayMs: number | undefined;
    if (this.network.turbulent && this.#crash.chance(step.records.length > 0 ? 0.05 : 0.0003)) {
      left = this.#crash.below(size + 1);
    }
    this.control = step.state;
    for (const record of step.records) {
      // The last record is torn: it was being written, and is not there.
      if (left <= 0) {
        this.#controlDies(awayMs);
        return;
      }
      left -= 1;
      if (this.dieAt?.record === record.kind) {
        left = 0;
        awayMs = 1_000;
        const { torn } = this.dieAt;
        this.dieAt = null;
        if (torn) {
          this.#controlDies(awayMs);
          return;
        }
      }
      this.tell(() => `control plane writes ${JSON.stringify(record)}`);
      this.trace.push(record);
      this.kept = applyRecord(this.kept, record);
      this.watch.wrote(record);
    }
    for (const effect of step.effects) {
      if (left <= 0) {
        this.#controlDies(awayMs);
        return;
      }
      left -= 1;
      if (effect.kind === "send") this.send(CONTROL_PLANE, effect.to, effect.message);
      else if (effect.kind === "page") {
        this.tell(() => `page ${effect.epoch}: ${effect.because}`);
        this.onPage(effect.epoch, effect.because);
      } else if (effect.kind === "pool") {
        this.poolers.order(effect.to, effect.order);
      } else {
        this.agenda.after(this.#rng.between(5, 100), () =>
          this.stepControl({ kind: "routed", epoch: effect.epoch }),
        );
      }
    }
    if (left !== Number.POSITIVE_INFINITY) this.#controlDies(awayMs);
  }

  #controlDies(forMs = this.#crash.between(20, 3_000)): void {
    this.crashControl();
    this.agenda.after(forMs, () => this.startControl());
  }
}
