/** What must never happen, looked at after every step; and what was acknowledged, counted at every promotion. */
import type { LogRecord } from "../decision.js";
import type { Epoch } from "../words.js";
import type { Rng } from "./rng.js";
import type { Scene, SimulatedNode } from "./simulated.js";

type Chosen = Extract<LogRecord, { kind: "chosen" }>;

export class Watch {
  violation: string | null = null;
  promotions = 0;
  lost = 0;
  acknowledgedCount = 0;
  /** When a write was last acknowledged. */
  acknowledgedAt = 0;
  /** The longest time between two acknowledged writes, since it was last set to 0. */
  longestGapMs = 0;
  #acknowledged: number[] = [];
  #next = 1;
  #chosen: Chosen | null = null;
  /** What may be lost at the next opening: a promotion that came to nothing leaves what it may lose to the next. */
  #allowed = 0;

  constructor(readonly world: Scene) {}

  wrote(record: LogRecord): void {
    if (record.kind === "chosen") this.#chosen = record;
    if (record.kind !== "promoting" || this.#chosen?.epoch !== record.epoch) return;
    const { policy } = this.world.setup;
    const { how } = this.#chosen.proof;
    if (how === "accepted-loss") this.#allowed = Number.POSITIVE_INFINITY;
    if (how === "holders" && policy.mode === "asynchronous") this.#allowed += policy.rpoBytes;
  }

  /** It could acknowledge the next write. */
  canAcknowledge(node: SimulatedNode): boolean {
    const { database } = node;
    if (database.mode !== "primary" || node.suspended) return false;
    if (this.world.setup.policy.mode === "asynchronous") return database.log.length < database.limit;
    const { holders } = database;
    if (holders === null || holders.required === 0) return true;
    return this.#holding(node, holders.members).length >= holders.required;
  }

  #holding(node: SimulatedNode, members: readonly string[]): SimulatedNode[] {
    return this.world.nodes.filter(
      (other) =>
        members.includes(other.name) &&
        other.database.source === node.index &&
        this.world.databases.streams(other),
    );
  }

  /** A client writes to a node that says it is a primary. */
  write(node: SimulatedNode, rng: Rng): void {
    const { database } = node;
    const isSync = this.world.setup.policy.mode === "synchronous";
    if (!this.canAcknowledge(node)) {
      // A commit that waits for a replica is on this disk already, and nobody was told.
      if (isSync && rng.chance(0.2)) {
        database.log.push(this.#next);
        this.#next += 1;
      }
      return;
    }
    const id = this.#next;
    this.#next += 1;
    database.log.push(id);
    if (isSync && database.holders !== null) {
      const holding = this.#holding(node, database.holders.members).slice(0, database.holders.required);
      for (const other of holding) other.database.copyFrom(database, Number.POSITIVE_INFINITY);
    }
    this.#acknowledged.push(id);
    this.acknowledgedCount += 1;
    this.longestGapMs = Math.max(this.longestGapMs, this.world.agenda.now - this.acknowledgedAt);
    this.acknowledgedAt = this.world.agenda.now;
  }

  /** A node has opened for writes in a new epoch: what was acknowledged and is not here is lost. */
  opened(node: SimulatedNode, epoch: Epoch): void {
    this.promotions += 1;
    const here = new Set(node.database.log);
    const kept = this.#acknowledged.filter((id) => here.has(id));
    const lost = this.#acknowledged.length - kept.length;
    this.#acknowledged = kept;
    const allowed = this.#allowed;
    this.#allowed = 0;
    if (lost <= allowed) {
      this.lost += lost;
      return;
    }
    const proof = this.#chosen?.epoch === epoch ? this.#chosen.proof.how : "nobody chose it";
    this.#fail(
      `${node.name} opened in ${epoch} (${proof}) without ${lost} acknowledged writes, ${allowed} may be missing`,
    );
  }

  #fail(violation: string): void {
    this.violation ??= violation;
    this.world.tell(() => `VIOLATION ${violation}`);
  }

  expect(holds: boolean, otherwise: () => string): void {
    if (!holds) this.#fail(otherwise());
  }

  look(): void {
    const { nodes } = this.world;
    let one: SimulatedNode | null = null;
    for (const node of nodes) {
      if (node.database.mode !== "primary") continue;
      if (one !== null) this.#compare(one, node);
      one = node;
    }
  }

  #compare(one: SimulatedNode, other: SimulatedNode): void {
    const names = `${one.name} (epoch ${one.database.epoch}) and ${other.name} (${other.database.epoch})`;
    if (one.database.epoch === other.database.epoch) {
      this.#fail(`${names} are open in one epoch`);
      return;
    }
    // In synchronous mode the old owner may still be open: it can acknowledge nothing.
    const asynchronous = this.world.setup.policy.mode === "asynchronous";
    if (asynchronous && !one.suspended && !other.suspended) {
      this.#fail(`${names} are both open for writes`);
      return;
    }
    if (this.canAcknowledge(one) && this.canAcknowledge(other)) this.#fail(`${names} can both acknowledge`);
  }
}
