/**
 * Carries steerings out while this replica leads: looked at, written down, done, asked for again, and followed until the
 * last client has moved. Each step may be done twice: an epoch is given once, and nothing older than what stands is written.
 */
import { appendEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import { cleanText } from "../kernel/clean-text.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import { type Duration, MINUTE, SECOND } from "../kernel/time.js";
import type { Guard } from "../platform/breakers.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { TrafficAdapter } from "./adapters/adapter.js";
import { judgeMoved, judgeSteer } from "./domain/judge-steer.js";
import type { TrafficObservation } from "./domain/observation.js";
import { STEER_LAPSES_AFTER, type Steer, type SteerBegun, type SteerOrigin } from "./domain/steer.js";
import { inSteeringOrder, type TrafficPolicy, type TrafficTarget } from "./domain/traffic-target.js";
import {
  beginSteer,
  insertSteer,
  lapseSteers,
  moveSteer,
  readNewestOrigin,
  readOpenSteers,
  readSteer,
  readSteerOf,
} from "./steers.store.js";

const BEAT: Duration = SECOND;
/** Steerings of a person that could not be done for so long have failed. */
const TRIED_FOR: Duration = 15 * MINUTE;
const OPEN_MAX = 500;
/** What is kept of what a server answers. */
const GOES_TO_MAX = 50;
const NAME_MAX = 200;
const TEXT_MAX = 2_000;
const FOLLOWED_WITHIN: Duration = 10 * SECOND;
/** What is wrong with what was asked, and stays so. */
const REFUSALS: ReadonlySet<string> = new Set(["INVALID_ARGUMENT", "ABORTED", "NOT_FOUND"]);

export interface TrafficDriverPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly mayLead: () => boolean;
  readonly policy: () => TrafficPolicy;
  readonly adapterOf: (target: TrafficTarget) => TrafficAdapter;
  /** Leaves alone for a while who does not answer. */
  readonly guard: Guard;
}

export class TrafficDriver {
  readonly loop: Loop;
  readonly #ports: TrafficDriverPorts;
  /** What is being done to a target; another waits for it. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(ports: TrafficDriverPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "traffic",
      interval: BEAT,
      deadline: 2 * MINUTE,
      clock: ports.system.clock,
      logger: ports.logger,
      run: () => this.run(),
    });
  }

  async run(): Promise<void> {
    const { database, system, mayLead } = this.#ports;
    if (!mayLead()) return;
    const now = system.clock.now();
    await database.transaction(async (tx) => {
      for (const steer of await lapseSteers(tx, now - STEER_LAPSES_AFTER, now))
        await this.#note(tx, "lapsed", steer, SYSTEM, "nobody took it up in time");
    });
    const open = await readOpenSteers(database, OPEN_MAX);
    // Each target by itself: one that does not answer holds up no other.
    const targets = [...new Set(open.map(({ target }) => target))];
    await Promise.all(
      targets.map(async (target) => {
        for (const steer of open.filter((one) => one.target === target)) await this.#advance(steer.id);
      }),
    );
  }

  /** Where a target's traffic goes now. Throws OpsError. */
  async observe(target: TrafficTarget): Promise<TrafficObservation> {
    const seen = await this.#guarded(target, (adapter) => adapter.observe());
    // What a server answers may be anything; it is kept and shown.
    const goesTo = seen.goesTo.slice(0, GOES_TO_MAX).map((one) => cleanText(one, NAME_MAX));
    return { ...seen, goesTo, because: cleanText(seen.because, TEXT_MAX) };
  }

  /** Targets that follow a cluster's owner, in the order in which they are steered. */
  targetsOf(cluster: string): readonly TrafficTarget[] {
    return inSteeringOrder(this.#ports.policy().targets.filter((target) => target.cluster === cluster));
  }

  /**
   * Sends the traffic that follows a cluster to its new owner. What is to be done is written down first; it is waited for
   * no longer than {@link FOLLOWED_WITHIN}, for a DNS server that is away must not keep a cluster without its replica: the
   * loop goes on with it. Rejects only when nothing could be written down.
   */
  async followCluster(cluster: string, epoch: number, to: string): Promise<void> {
    const { logger, system } = this.#ports;
    const origin = { name: `cluster:${cluster}`, epoch };
    const asked: string[] = [];
    for (const target of this.targetsOf(cluster)) {
      try {
        asked.push((await this.#ask(target.id, to, origin, `${to} owns ${cluster} in epoch ${epoch}`)).id);
      } catch (error) {
        if (!(error instanceof OpsError) || !REFUSALS.has(error.code)) throw error;
        logger.error("traffic does not follow a cluster", { target: target.id, cluster, to }, error);
      }
    }
    const all = async (): Promise<void> => {
      for (const id of asked) await this.#advance(id);
    };
    const enough = new AbortController();
    await Promise.race([all(), system.clock.sleep(FOLLOWED_WITHIN, enough.signal)]);
    enough.abort();
  }

  /**
   * Sends a target's traffic to `to`, because of a decision. Resolves when whoever sends it says that it goes there: clients
   * may hold the old for a while. Asked again with the same origin it goes on where it was, and changes nothing once it is
   * done. Throws OpsError: NOT_FOUND, ABORTED when the same origin has asked with a higher epoch or another has steered
   * since, UNAVAILABLE when it is to be asked again.
   */
  async follow(id: string, to: string, origin: SteerOrigin, reason: string): Promise<Steer> {
    const known = await this.#ask(id, to, origin, reason);
    await this.#advance(known.id);
    const now = (await readSteer(this.#ports.database, known.id)) ?? known;
    if (now.state === "moving" || now.state === "moved") return now;
    const code = now.endedAt === undefined ? "UNAVAILABLE" : "ABORTED";
    throw new OpsError(code, `"${id}" does not go to ${to} yet: ${now.because || now.state}`);
  }

  /** For rooms that send traffic after what they have done, by the ids of targets. */
  get port() {
    return {
      observe: (id: string): Promise<TrafficObservation> => this.observe(this.#need(id)),
      steer: (id: string, to: string, origin: SteerOrigin, reason: string): Promise<Steer> =>
        this.follow(id, to, origin, reason),
    };
  }

  async #ask(id: string, to: string, origin: SteerOrigin, reason: string): Promise<Steer> {
    const { database, system } = this.#ports;
    const target = this.#need(id);
    if (!Object.hasOwn(target.destinations, to))
      throw new OpsError("INVALID_ARGUMENT", `traffic target "${id}" has no destination "${to}"`);
    const newest = await readNewestOrigin(database, id, origin.name);
    if (newest !== undefined && newest > origin.epoch)
      throw new OpsError(
        "ABORTED",
        `"${id}" follows ${origin.name} in epoch ${newest} by now, not ${origin.epoch}`,
      );
    const requestedAt = system.clock.now();
    const asked: Steer = {
      ...{
        id: system.draws.id(requestedAt),
        target: id,
        to,
        origin,
        reason,
        requestedBy: SYSTEM,
        requestedAt,
      },
      ...{ state: "waiting", because: "", decidedBy: undefined, planHash: "", begun: undefined },
      ...{ steeredAt: undefined, endedAt: undefined },
    };
    await database.transaction(async (tx) => {
      if (await insertSteer(tx, asked)) await this.#note(tx, "requested", asked, SYSTEM, reason);
    });
    const known = await readSteerOf(database, id, origin);
    if (known === undefined)
      throw new OpsError("INTERNAL", `steering of "${id}" for ${origin.name} is not there`);
    if (known.to !== to)
      throw new OpsError(
        "ABORTED",
        `${origin.name} in epoch ${origin.epoch} sent "${id}" to ${known.to}, not to ${to}`,
      );
    return known;
  }

  /** One step, or several: as far as it goes now. */
  async #advance(id: string): Promise<void> {
    const steer = await readSteer(this.#ports.database, id);
    if (steer === undefined) return;
    const before = this.#busy.get(steer.target) ?? Promise.resolve();
    const mine = before
      .then(() => this.#step(id))
      .catch((error: unknown) =>
        this.#ports.logger.warn(
          "a steering could not be looked at",
          { target: steer.target, steer: id },
          error,
        ),
      );
    this.#busy.set(steer.target, mine);
    await mine;
    if (this.#busy.get(steer.target) === mine) this.#busy.delete(steer.target);
  }

  /** What fails is written beside it, and tried again at the next beat. */
  async #step(id: string): Promise<void> {
    const { database, logger, policy } = this.#ports;
    const steer = await readSteer(database, id);
    if (steer === undefined || steer.endedAt !== undefined) return;
    const target = policy().targets.find((one) => one.id === steer.target);
    try {
      if (target === undefined) return await this.#end(steer, "failed", "it is not declared any more");
      if (steer.state === "waiting") await this.#begin(steer, target);
      else if (steer.state === "steering" && steer.begun !== undefined)
        await this.#do(steer, steer.begun, target);
      else if (steer.state === "moving" && steer.begun !== undefined)
        await this.#watch(steer, steer.begun, target);
    } catch (error) {
      const because = cleanText(messageOf(error), TEXT_MAX);
      if (steer.because !== because)
        logger.warn("traffic could not be steered yet", { target: steer.target, steer: id }, error);
      // It may have got further than it was when it was read.
      await this.#failedOnce((await readSteer(database, id)) ?? steer, because);
    }
  }

  async #failedOnce(steer: Steer, because: string): Promise<void> {
    const { database, system } = this.#ports;
    const now = system.clock.now();
    const began = steer.begun?.at ?? steer.requestedAt;
    // What follows a decision is not given up: there is nothing else to do.
    if (steer.origin === undefined && steer.state !== "moving" && now - began > TRIED_FOR) {
      await this.#end(steer, "failed", because);
      return;
    }
    if (steer.because !== because)
      await moveSteer(database, steer.id, steer.state, { state: steer.state, because });
  }

  async #begin(steer: Steer, target: TrafficTarget): Promise<void> {
    const { database, system } = this.#ports;
    const seen = await this.observe(target);
    const at = system.clock.now();
    const begun = await database.transaction(async (tx) => {
      const given = await beginSteer(tx, steer, { from: seen.goesTo, hold: seen.hold, at }, seen.epoch ?? 0);
      if (given !== undefined) {
        const because = `epoch ${given.epoch}: from ${seen.goesTo.join(", ") || "nowhere"} to ${steer.to}; ${seen.because}`;
        await this.#note(tx, "begun", steer, SYSTEM, because);
      }
      return given;
    });
    if (begun !== undefined) await this.#do({ ...steer, state: "steering", begun }, begun, target);
  }

  async #do(steer: Steer, begun: SteerBegun, target: TrafficTarget): Promise<void> {
    const order = { to: steer.to, epoch: begun.epoch };
    const before = await this.observe(target);
    const verdict = judgeSteer(order, before);
    if (verdict.kind === "stale") return this.#end(steer, "superseded", verdict.because);
    if (verdict.kind === "steer") {
      const done = await this.#guarded(target, (adapter) => adapter.steer(order, before));
      if (done === "changed")
        throw new OpsError("ABORTED", "someone changed it at the same time; it is looked at again");
    }
    const after = await this.observe(target);
    const judged = judgeSteer(order, after);
    if (judged.kind !== "there")
      throw new OpsError(
        "UNAVAILABLE",
        `it was told, and does not do so yet: ${judged.because} (${after.because})`,
      );
    const { database, system } = this.#ports;
    const steeredAt = system.clock.now();
    const moved = judgeMoved({ ...order, steeredAt, hold: begun.hold }, after, steeredAt);
    await database.transaction(async (tx) => {
      const to = { state: "moving", because: moved.because, steeredAt } as const;
      if (await moveSteer(tx, steer.id, "steering", to))
        await this.#note(tx, "steered", steer, SYSTEM, `${after.because}; ${moved.because}`);
    });
    if (moved.kind === "moved") await this.#end({ ...steer, state: "moving" }, "moved", moved.because);
  }

  async #watch(steer: Steer, begun: SteerBegun, target: TrafficTarget): Promise<void> {
    const { database, system } = this.#ports;
    const now = system.clock.now();
    const { to, steeredAt = now } = steer;
    const { epoch, hold } = begun;
    const judged = judgeMoved({ to, epoch, steeredAt, hold }, await this.observe(target), now);
    if (judged.kind === "moved") return this.#end(steer, "moved", judged.because);
    if (judged.kind === "lost")
      return this.#end(steer, "failed", `it was steered and does not go there any more: ${judged.because}`);
    // The time left changes with each look: it is told when somebody looks, and not written each time.
    if (steer.because !== judged.because && steeredAt + hold <= now)
      await moveSteer(database, steer.id, "moving", { state: "moving", because: judged.because });
  }

  async #end(steer: Steer, state: "moved" | "failed" | "superseded", because: string): Promise<void> {
    const { database, system } = this.#ports;
    const endedAt = system.clock.now();
    await database.transaction(async (tx) => {
      if (await moveSteer(tx, steer.id, steer.state, { state, because, endedAt }))
        await this.#note(tx, state, steer, SYSTEM, because);
    });
  }

  async #guarded<T>(target: TrafficTarget, call: (adapter: TrafficAdapter) => Promise<T>): Promise<T> {
    return this.#ports.guard(`traffic:${target.id}`, () => call(this.#ports.adapterOf(target)));
  }

  #need(id: string): TrafficTarget {
    const target = this.#ports.policy().targets.find((one) => one.id === id);
    if (target === undefined) throw new OpsError("NOT_FOUND", `there is no traffic target "${id}"`);
    return target;
  }

  #note(tx: Transaction, event: string, steer: Steer, actor: Actor, because: string): Promise<unknown> {
    return noteSteer(tx, this.#ports.system, event, steer, actor, because);
  }
}

/** An entry of the journal about a steering. */
export async function noteSteer(
  tx: Transaction,
  system: System,
  event: string,
  steer: Steer,
  actor: Actor,
  because: string,
): Promise<void> {
  const { id, target, to, origin, planHash } = steer;
  const facts = { steer: id, to, origin: origin?.name ?? "", originEpoch: origin?.epoch ?? 0, planHash };
  const entry = {
    at: system.clock.now(),
    kind: `traffic.${event}`,
    subject: `traffic:${target}`,
    actor,
    because,
    facts,
  };
  await appendEntries(tx, [entry]);
}
