/** The databases' executors, replication between them, and the clients that write. */
import type { AgentEffect } from "../agent-state.js";
import type { Rng } from "./rng.js";
import type { Ground, SimulatedNode } from "./simulated.js";

const BEAT_MS = 20;

export class Databases {
  writing = true;
  readonly #rng: Rng;

  constructor(
    readonly world: Ground,
    rng: Rng,
  ) {
    this.#rng = rng;
    world.agenda.after(BEAT_MS, () => this.beat());
  }

  perform(node: SimulatedNode, effect: AgentEffect): void {
    const { database } = node;
    const rng = this.#rng;
    switch (effect.kind) {
      case "send":
        this.world.send(node.name, effect.to, effect.message);
        return;
      case "deadline":
        database.deadline = effect.at;
        this.world.tellGuard(node, { kind: "deadline", at: effect.at });
        this.world.watchDeadline(node, effect.at);
        return;
      case "kill":
        database.run = effect.run;
        database.exitTold = false;
        this.kill(node);
        return;
      case "start":
        this.#begin(node, effect.run, rng.between(20, 300), () => {
          if (effect.as === "primary") {
            database.mode = "primary";
            database.holders = effect.holders;
            database.limit = effect.limit;
            database.epoch = node.kept.epoch;
          } else {
            database.mode = "standby";
            database.source = effect.following === null ? -1 : this.world.indexOf(effect.following);
          }
          const { run } = effect;
          this.world.stepAgent(node, { kind: "started", run, as: effect.as, lsn: database.log.length });
        });
        return;
      case "promote":
        this.#begin(node, effect.run, rng.chance(0.5) ? rng.between(1, 30) : rng.between(30, 300), () => {
          database.mode = "primary";
          database.source = -1;
          database.holders = null;
          database.limit = Number.POSITIVE_INFINITY;
          database.flushed = {};
          database.checkpointed = false;
          database.epoch = effect.epoch;
          this.world.watch.opened(node, effect.epoch);
          const { run, epoch } = effect;
          this.world.stepAgent(node, { kind: "promoted", run, epoch, lsn: database.log.length });
        });
        return;
      case "join":
        this.#join(node, effect.run, effect.epoch, this.world.indexOf(effect.source));
        return;
      case "detach":
        this.#later(node, rng.between(1, 30), () => {
          database.source = -1;
          this.world.stepAgent(node, { kind: "detached", lsn: database.log.length });
        });
        return;
      case "drain":
        database.mode = "draining";
        this.#drain(node, rng.chance(this.world.network.turbulent ? 0.15 : 0));
        return;
      case "verify":
        this.#later(node, rng.chance(0.8) ? rng.between(10, 150) : rng.between(150, 2_000), () => {
          if (database.mode !== "primary") return;
          database.checkpointed = true;
          this.world.stepAgent(node, { kind: "verified", epoch: effect.epoch, lsn: database.log.length });
        });
        return;
      case "limit":
        database.limit = effect.upTo;
        return;
      case "cover": {
        const at = Math.max(database.coverAt, this.world.agenda.now + rng.between(1, 30));
        database.coverAt = at;
        this.#later(node, at - this.world.agenda.now, () => {
          database.holders = effect.holders;
          const { version } = effect.holders;
          this.world.stepAgent(node, { kind: "covered", version, lsn: database.log.length });
        });
        return;
      }
    }
  }

  /** Something that is of no account when the database ends before. */
  #later(node: SimulatedNode, delay: number, act: () => void): void {
    const { operation } = node.database;
    const attempt = (): void => {
      if (node.database.operation !== operation || node.down) return;
      if (node.suspended) this.world.agenda.after(10, attempt);
      else act();
    };
    this.world.agenda.after(delay, attempt);
  }

  #begin(node: SimulatedNode, run: number, delay: number, act: () => void): void {
    node.database.run = run;
    node.database.exitTold = false;
    node.database.operation += 1;
    this.#later(node, delay, act);
  }

  #join(node: SimulatedNode, run: number, epoch: number, from: number): void {
    const { database } = node;
    database.mode = "down";
    const source = this.world.nodes[from]?.database;
    const sees = source?.checkpointed === true;
    this.#begin(node, run, this.#rng.between(100, 800), () => {
      if (source?.mode !== "primary" || !this.world.network.isLinked(node.index, from)) {
        return this.world.stepAgent(node, { kind: "join-failed", run, epoch });
      }
      // It is started under a guard of its own, which goes by what the agent said last.
      if (database.deadline <= this.world.localNow(node)) {
        return this.world.stepAgent(node, { kind: "join-failed", run, epoch });
      }
      this.world.tellGuard(node, { kind: "deadline", at: database.deadline });
      this.world.watchDeadline(node, database.deadline);
      const shared = database.sharedWith(source);
      // Without a checkpoint pg_rewind sees no new timeline, rewinds nothing, and the log never fits again.
      database.stuck = !sees && shared < database.log.length;
      if (!database.stuck) database.log.length = shared;
      database.mode = "standby";
      database.source = from;
      this.world.stepAgent(node, { kind: "joined", run, epoch, lsn: database.log.length });
    });
  }

  /** A fast shutdown ends when every replica that is connected has everything; one that is out of reach is waited for. */
  #drain(node: SimulatedNode, hangs: boolean): void {
    this.#later(node, 20, () => {
      const behind = this.world.nodes.some(
        (other) =>
          other.database.source === node.index &&
          other.database.mode === "standby" &&
          other.database.isPrefixOf(node.database) &&
          other.database.log.length < node.database.log.length,
      );
      if (behind || hangs) this.#drain(node, hangs);
      else this.exit(node);
    });
  }

  kill(node: SimulatedNode): void {
    const { database } = node;
    if (database.killing) return;
    database.killing = true;
    this.world.agenda.after(this.#rng.between(1, 40), () => {
      if (database.killing) this.exit(node);
    });
  }

  stop(node: SimulatedNode): void {
    const { database } = node;
    database.mode = "down";
    database.source = -1;
    database.killing = false;
    database.operation += 1;
    database.coverAt = 0;
  }

  exit(node: SimulatedNode): void {
    const { database } = node;
    this.stop(node);
    this.world.tellGuard(node, { kind: "database-gone" });
    if (database.exitTold) return;
    database.exitTold = true;
    this.world.stepAgent(node, { kind: "exited", run: database.run, lsn: database.log.length });
  }

  beat(): void {
    this.world.agenda.after(BEAT_MS, () => this.beat());
    const rng = this.#rng;
    for (const node of this.world.nodes) {
      if (node.suspended) continue;
      if (node.database.mode === "standby") this.#replicate(node);
      if (rng.chance(0.4)) this.#tellProgress(node);
    }
    if (!this.writing) return;
    for (const node of this.world.nodes) {
      if (node.database.mode === "primary" && rng.chance(0.7)) this.world.watch.write(node, rng);
    }
  }

  /** A standby that is up and linked takes its log from there, and the log fits. */
  streams(node: SimulatedNode): boolean {
    const { database } = node;
    if (database.mode !== "standby" || database.source < 0 || database.stuck || node.suspended) return false;
    const source = this.world.nodes[database.source];
    if (source === undefined || source.suspended || !this.world.network.isLinked(node.index, source.index))
      return false;
    if (source.database.mode !== "primary" && source.database.mode !== "draining") return false;
    return database.isPrefixOf(source.database);
  }

  #replicate(node: SimulatedNode): void {
    if (!this.streams(node)) return;
    const source = this.world.nodes[node.database.source];
    if (source === undefined) return;
    // What was told is what was there a beat ago.
    if (this.#rng.chance(0.8)) source.database.flushed[node.name] = node.database.log.length;
    if (this.#rng.chance(0.8)) node.database.copyFrom(source.database, 1 + this.#rng.below(6));
  }

  #tellProgress(node: SimulatedNode): void {
    const { database } = node;
    if (database.mode === "down") return;
    this.world.stepAgent(node, {
      kind: "progress",
      lsn: database.log.length,
      flushed: database.mode === "primary" ? { ...database.flushed } : database.flushed,
      streaming: this.streams(node),
    });
  }
}
