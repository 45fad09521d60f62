/** Looks at the adopted clusters while this replica leads: each second, and more often while a decision is open. */
import { appendEntries } from "../../journal/journal.module.js";
import { SYSTEM } from "../../kernel/actor.js";
import type { Labels } from "../../kernel/labels.js";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";
import { type Guard } from "../../platform/breakers.js";
import type { Logger } from "../../platform/logger.js";
import { Loop } from "../../platform/loop.js";
import type { Database } from "../../platform/postgres/database.js";
import type { System } from "../../platform/system.js";
import { REQUEST_LAPSES_AFTER } from "../domain/failover-request.js";
import type { PatroniCredentials } from "../domain/patroni/patroni-credentials.js";
import { patroniSamples } from "../domain/patroni/patroni-series.js";
import { takeUpRequests } from "../requests.store.js";
import { readAdopted } from "./patroni.store.js";
import { PatroniClient } from "./patroni-client.js";
import { PatroniDriver } from "./patroni-driver.js";

const BEAT: Duration = 250;
const LOOK_EVERY: Duration = SECOND;
const SERIES_EVERY: Duration = 5 * SECOND;

export interface PatroniLoopPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly mayLead: () => boolean;
  readonly guard: Guard;
  readonly credentialsOf: (cluster: string) => PatroniCredentials | undefined;
  readonly append: (
    samples: readonly { readonly labels: Labels; readonly timestampMs: Instant; readonly value: number }[],
  ) => Promise<void>;
}

export class PatroniLoop {
  readonly loop: Loop;
  readonly #ports: PatroniLoopPorts;
  readonly #drivers = new Map<
    string,
    { readonly driver: PatroniDriver; looking: boolean; lookedAt: Instant }
  >();
  #listedAt: Instant = 0;
  #seriesAt: Instant = 0;

  constructor(ports: PatroniLoopPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "adopted clusters",
      interval: BEAT,
      clock: ports.system.clock,
      logger: ports.logger,
      run: () => this.run(),
    });
  }

  /** Somebody asked for something. */
  wake(): void {
    this.#listedAt = 0;
    this.loop.wake();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await this.#letGo();
  }

  async run(): Promise<void> {
    if (!this.#ports.mayLead()) {
      await this.#letGo();
      return;
    }
    const now = this.#ports.system.clock.now();
    for (const [cluster, { driver }] of this.#drivers) if (driver.over) this.#drivers.delete(cluster);
    if (now - this.#listedAt >= LOOK_EVERY) {
      this.#listedAt = now;
      await this.#list(now);
    }
    for (const one of this.#drivers.values()) {
      const due = one.driver.busy ? BEAT : LOOK_EVERY;
      // A member that does not answer holds up its own cluster only.
      if (one.looking || now - one.lookedAt < due) continue;
      one.looking = true;
      one.lookedAt = now;
      void one.driver.look().finally(() => {
        one.looking = false;
      });
    }
    if (now - this.#seriesAt >= SERIES_EVERY) {
      this.#seriesAt = now;
      await this.#ports.append([...this.#drivers.values()].flatMap(({ driver }) => samplesOf(driver, now)));
    }
  }

  /** Which clusters there are, and what is asked of them. */
  async #list(now: Instant): Promise<void> {
    const { database } = this.#ports;
    for (const { cluster, releasedAt } of await readAdopted(database)) {
      if (releasedAt !== undefined || this.#drivers.has(cluster)) continue;
      this.#drivers.set(cluster, { driver: this.#driverOf(cluster), looking: false, lookedAt: 0 });
    }
    if (this.#drivers.size === 0) return;
    for (const request of await takeUpRequests(database, now, now - REQUEST_LAPSES_AFTER)) {
      void this.#drivers.get(request.cluster)?.driver.takeRequest(request);
    }
  }

  #driverOf(cluster: string): PatroniDriver {
    const { database, logger, system, guard, credentialsOf } = this.#ports;
    return new PatroniDriver(cluster, {
      database,
      logger,
      clock: system.clock,
      client: ({ endpoints }) =>
        new PatroniClient(endpoints, { guard, credentials: () => credentialsOf(cluster) }),
      page: (epoch, because) => void this.#page(cluster, epoch, because),
    });
  }

  async #page(cluster: string, epoch: number, because: string): Promise<void> {
    const { database, logger, system } = this.#ports;
    logger.error("a failover needs a person", { cluster, epoch, because });
    const entry = {
      at: system.clock.now(),
      kind: "recovery.page",
      subject: `cluster:${cluster}`,
      actor: SYSTEM,
      because,
      facts: { epoch },
    };
    try {
      await database.transaction((tx) => appendEntries(tx, [entry]));
    } catch (error) {
      logger.warn("that a failover needs a person could not be written down", { cluster }, error);
    }
  }

  async #letGo(): Promise<void> {
    await Promise.all([...this.#drivers.values()].map(({ driver }) => driver.stop()));
    this.#drivers.clear();
  }
}

const samplesOf = ({ cluster, state, seen }: PatroniDriver, at: Instant) =>
  state === undefined || seen === undefined ? [] : patroniSamples(cluster, state, seen, at);
