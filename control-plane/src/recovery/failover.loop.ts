/**
 * Drives the clusters under failover while this replica leads. Its beat is short, because a lost owner is found by it;
 * everything slower (what people ask, what is shown, series) is done every so many beats.
 */
import type { Message } from "@mainstay/proto/failover/messages";
import type { PoolerOrder, PoolerReport } from "@mainstay/proto/failover/poolers";
import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import type { Labels } from "../kernel/labels.js";
import { type Duration, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { Topology } from "../topology/domain/component.js";
import { ClusterDriver } from "./cluster-driver.js";
import { REQUEST_LAPSES_AFTER } from "./domain/failover-request.js";
import { drillSamples, recoverySamples } from "./domain/recovery-series.js";
import { standDrills } from "./drills.js";
import { readClusters } from "./recovery.store.js";
import { takeUpRequests } from "./requests.store.js";

const BEAT: Duration = 100;
/** A vote is given at most a second after the term was confirmed; three of these fit in. */
const CONFIRM_EVERY: Duration = 300;
const LOOK_EVERY: Duration = SECOND;
const MISHEARD_EVERY: Duration = MINUTE;
const SERIES_EVERY: Duration = 5 * SECOND;

export interface RecoverySample {
  readonly labels: Labels;
  readonly timestampMs: Instant;
  readonly value: number;
}

export interface FailoverPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly mayLead: () => boolean;
  /** For the drills that it defines. */
  readonly topology: () => Topology;
  /** To the agent of a node, if it is connected; else it is lost, as any message may be. */
  readonly send: (cluster: string, node: string, message: Message) => void;
  /** The same to an agent that looks after poolers of the cluster. @default it is lost */
  readonly pool?: (cluster: string, node: string, order: PoolerOrder) => void;
  /** @default nothing steers traffic, and the step is done at once */
  readonly route?: (cluster: string, epoch: number, to: string) => Promise<void>;
  readonly append: (samples: readonly RecoverySample[]) => Promise<void>;
}

export class FailoverLoop {
  readonly loop: Loop;
  readonly #ports: FailoverPorts;
  readonly #drivers = new Map<string, ClusterDriver>();
  readonly #wallAtStart: Instant;
  readonly #startedAt: number;
  /** By member, of which there are few. */
  readonly #misheardAt = new Map<string, Instant>();
  #lookedAt: Instant = 0;
  #confirmedAt: Instant = 0;
  #seriesAt: Instant = 0;
  #confirming: Promise<void> | undefined;

  constructor(ports: FailoverPorts) {
    this.#ports = ports;
    const { clock } = ports.system;
    this.#wallAtStart = clock.now();
    this.#startedAt = clock.monotonic();
    this.loop = new Loop({
      name: "failover",
      interval: BEAT,
      clock,
      logger: ports.logger,
      run: () => this.run(),
    });
  }

  /** Begins near the wall's time and then only rises, whatever is done to the wall's. */
  now(): Instant {
    return this.#wallAtStart + this.#ports.system.clock.monotonic() - this.#startedAt;
  }

  /** What an agent says; `from` is the node that its certificate names. */
  hear(cluster: string, from: string, message: Message): void {
    const driver = this.#drivers.get(cluster);
    if (driver?.policy?.members.includes(from) === true) {
      driver.take({ kind: "message", from, message });
    }
  }

  /** What an agent says of its poolers. */
  hearPooler(cluster: string, from: string, report: PoolerReport): void {
    this.#drivers.get(cluster)?.take({ kind: "pooler", from, report });
  }

  /** It goes by another policy, and is not heard: its lease might have another length. */
  mishear(cluster: string, from: string): void {
    const driver = this.#drivers.get(cluster);
    if (driver?.policy?.members.includes(from) !== true) return;
    const now = this.now();
    if (now - (this.#misheardAt.get(from) ?? 0) < MISHEARD_EVERY) return;
    this.#misheardAt.set(from, now);
    this.#ports.logger.warn("a node goes by another failover policy than the one that is registered", {
      cluster,
      node: from,
    });
  }

  /** The policies that this replica drives by, to name them to agents. */
  policyOf(cluster: string): ClusterDriver["policy"] {
    return this.#drivers.get(cluster)?.policy;
  }

  /** Somebody asked for something. */
  wake(): void {
    this.#lookedAt = 0;
    this.loop.wake();
  }

  /** Resolves when what has happened so far was taken up. */
  async settled(): Promise<void> {
    for (const driver of this.#drivers.values()) await driver.settled();
    await this.#confirming;
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await this.#letGo();
    await this.#confirming;
  }

  async run(): Promise<void> {
    if (!this.#ports.mayLead()) {
      await this.#letGo();
      return;
    }
    const now = this.now();
    for (const [cluster, driver] of this.#drivers) if (driver.over) this.#drivers.delete(cluster);
    if (now - this.#lookedAt >= LOOK_EVERY) {
      this.#lookedAt = now;
      await this.#look(now);
    }
    for (const driver of this.#drivers.values()) driver.take({ kind: "tick" });
    if (now - this.#confirmedAt >= CONFIRM_EVERY && this.#confirming === undefined) {
      const show = Math.floor(now / SECOND) !== Math.floor(this.#confirmedAt / SECOND);
      this.#confirmedAt = now;
      this.#confirming = this.#confirm(show).finally(() => {
        this.#confirming = undefined;
      });
    }
    if (now - this.#seriesAt >= SERIES_EVERY) {
      this.#seriesAt = now;
      const { append, database, system, topology } = this.#ports;
      const at = system.clock.now();
      await append([...this.#samples(at), ...drillSamples(await standDrills(database, topology(), at), at)]);
    }
  }

  /** Which clusters there are, and what is asked of them. */
  async #look(now: Instant): Promise<void> {
    const { database } = this.#ports;
    for (const { cluster, releasedAt } of await readClusters(database)) {
      if (releasedAt !== undefined || this.#drivers.has(cluster)) continue;
      this.#drivers.set(cluster, this.#driverOf(cluster));
    }
    for (const request of await takeUpRequests(database, now, now - REQUEST_LAPSES_AFTER)) {
      this.#drivers.get(request.cluster)?.takeRequest(request);
    }
  }

  #driverOf(cluster: string): ClusterDriver {
    const { database, logger, send, pool, route } = this.#ports;
    return new ClusterDriver(cluster, {
      database,
      logger,
      now: () => this.now(),
      send: (node, message) => send(cluster, node, message),
      pool: (node, order) => pool?.(cluster, node, order),
      route: async (epoch, to) => route?.(cluster, epoch, to),
      page: (epoch, because) => void this.#page(cluster, epoch, because),
    });
  }

  async #page(cluster: string, epoch: number, because: string): Promise<void> {
    const { database, logger } = this.#ports;
    logger.error("a failover needs a person", { cluster, epoch, because });
    try {
      await database.transaction((tx) =>
        appendEntries(tx, [
          {
            at: this.now(),
            kind: "recovery.page",
            subject: `cluster:${cluster}`,
            actor: SYSTEM,
            because,
            facts: { epoch },
          },
        ]),
      );
    } catch (error) {
      logger.warn("that a failover needs a person could not be written down", { cluster }, error);
    }
  }

  async #confirm(show: boolean): Promise<void> {
    for (const driver of this.#drivers.values()) {
      try {
        await driver.confirm(show ? driver.observation() : undefined);
      } catch (error) {
        this.#ports.logger.debug("a term could not be confirmed", {
          cluster: driver.cluster,
          because: String(error),
        });
      }
    }
  }

  #samples(at: Instant): readonly RecoverySample[] {
    return [...this.#drivers.values()].flatMap((driver) => {
      const [state, policy, seen] = [driver.state, driver.policy, driver.observation()];
      if (state === undefined || policy === undefined || seen === undefined) return [];
      return recoverySamples(driver.cluster, policy, state.kept, seen, at);
    });
  }

  async #letGo(): Promise<void> {
    for (const driver of this.#drivers.values()) await driver.stop();
    this.#drivers.clear();
  }
}
