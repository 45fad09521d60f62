/** Poolers of the simulated cluster's clients: they obey what the control plane says, late or never, and let go by themselves. */
import type { ControlEvent } from "../control-state.js";
import { type PoolerOrder, type PoolerReport, rankOf } from "../poolers.js";
import { CONTROL_PLANE, type NodeId, type VoterId } from "../words.js";
import type { Agenda } from "./agenda.js";
import type { Network } from "./network.js";
import type { Rng } from "./rng.js";
import type { SimulatedNode } from "./simulated.js";

const REPORT_MS = 1_000;

/** What poolers see of the world. */
interface PoolersGround {
  readonly agenda: Agenda;
  readonly nodes: readonly SimulatedNode[];
  readonly network: Network;
  indexOf(voter: VoterId): number;
  stepControl(event: ControlEvent): void;
}

interface SimulatedPooler {
  readonly name: NodeId;
  readonly index: number;
  rank: number;
  epoch: number;
  to: NodeId;
  /** Clients wait; `held` once nothing of theirs is under way any more. */
  holds: boolean;
  held: boolean;
  lapsesAt: number;
  /** A client's transaction that does not end. */
  stuck: boolean;
}

export class Poolers {
  readonly all: readonly SimulatedPooler[];
  /** How long clients were led to a node that is not open, and not held back meanwhile. Virtual ms. */
  astrayMs = 0;
  readonly #world: PoolersGround;
  readonly #rng: Rng;

  constructor(world: PoolersGround, names: readonly NodeId[], first: NodeId, rng: Rng) {
    this.#world = world;
    this.#rng = rng;
    this.all = names.map((name, at) => ({
      name,
      index: world.nodes.length + 1 + at,
      rank: -1,
      epoch: 0,
      to: first,
      holds: false,
      held: false,
      lapsesAt: 0,
      stuck: false,
    }));
    for (const pooler of this.all) world.agenda.after(rng.between(1, REPORT_MS), () => this.#beat(pooler));
    if (this.all.length > 0) world.agenda.after(10, () => this.#look());
  }

  order(name: NodeId, order: PoolerOrder): void {
    const pooler = this.all.find((one) => one.name === name);
    if (pooler === undefined) return;
    const { network } = this.#world;
    network.send(this.#world.indexOf(CONTROL_PLANE), pooler.index, () => this.#obey(pooler, order));
  }

  #obey(pooler: SimulatedPooler, order: PoolerOrder): void {
    const { agenda } = this.#world;
    const rank = rankOf(order);
    if (rank < pooler.rank) return;
    const isNew = rank > pooler.rank;
    pooler.rank = rank;
    pooler.epoch = order.epoch;
    if (order.hold) {
      pooler.lapsesAt = agenda.now + order.lapseMs;
      if (!pooler.holds || isNew) {
        pooler.holds = true;
        agenda.after(this.#rng.between(1, 80), () => {
          if (pooler.rank !== rank || pooler.stuck || !pooler.holds) return;
          pooler.held = true;
          this.#report(pooler);
        });
      }
      return;
    }
    agenda.after(this.#rng.between(1, 30), () => {
      if (pooler.rank !== rank) return;
      pooler.to = order.to;
      pooler.holds = false;
      pooler.held = false;
      this.#report(pooler);
    });
  }

  #beat(pooler: SimulatedPooler): void {
    const { agenda } = this.#world;
    if (pooler.holds && agenda.now >= pooler.lapsesAt) {
      pooler.holds = false;
      pooler.held = false;
    }
    this.#report(pooler);
    agenda.after(REPORT_MS, () => this.#beat(pooler));
  }

  #report(pooler: SimulatedPooler): void {
    const { epoch, to, holds, held } = pooler;
    const report: PoolerReport = { epoch, to, holds, held, because: held ? "holds" : "leads" };
    const { network } = this.#world;
    network.send(pooler.index, this.#world.indexOf(CONTROL_PLANE), () =>
      this.#world.stepControl({ kind: "pooler", from: pooler.name, report }),
    );
  }

  #look(): void {
    const { agenda, nodes } = this.#world;
    const isOpen = (name: NodeId): boolean =>
      nodes.some((node) => node.name === name && node.database.mode === "primary" && !node.suspended);
    if (this.all.some((pooler) => !pooler.holds && !isOpen(pooler.to))) this.astrayMs += 10;
    agenda.after(10, () => this.#look());
  }
}
