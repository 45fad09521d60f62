/**
 * One replica leads: agents stream to it, it judges the rules, and it alone writes samples, so that an expression over
 * many nodes sees all of them. The others stand by: they serve people, and take over when the leader's session with
 * PostgreSQL ends or its lease runs out. Taking over means reading back what the leader had made durable; the agents
 * bring the rest again from their outboxes.
 */
import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import { holdLease, type Lease, releaseLease, stillHolds } from "../platform/postgres/lease.js";
import { keepPresence } from "../platform/postgres/presence.js";
import type { System } from "../platform/system.js";
import { judgeLeadership, LEAD_INTERVAL, LEASE_LENGTH } from "./domain/lead-replica.js";
import {
  beat,
  type KnownReplica,
  type ReplicaAddresses,
  readOthers,
  saveAddresses,
} from "./replicas.store.js";

const LEASE = "leader";
/** As the liveness of nodes has it: two beats and a bit. */
const REPLICA_GONE_AFTER: Duration = 6 * SECOND;
/** How long whoever asks waits while nobody leads. */
const SETTLED_WITHIN: Duration = 5 * SECOND;
const LOOK_AGAIN: Duration = 100;

export interface LeadershipDeps {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  /** Names this process; another one for each start. */
  readonly replicaId: string;
  /** Called once this replica holds the lease; it leads when this has resolved. Rejecting means it is tried again. */
  readonly takeOver: () => Promise<void>;
  /** Called once it leads no more: the streams are to be ended, and what is not durable forgotten. */
  readonly stepDown: (because: string) => void;
}

/** What this replica is now. `taking-over`: it holds the lease and reads back what the one before it had written. */
export type LeadershipState =
  | { readonly kind: "leads"; readonly since: Instant; readonly generation: number }
  | { readonly kind: "taking-over" }
  | { readonly kind: "follows"; readonly leader: KnownReplica | undefined };

export class Leadership {
  readonly loop: Loop;
  readonly #deps: LeadershipDeps;
  #state: LeadershipState = { kind: "follows", leader: undefined };
  #leaseUntil: Instant = 0;
  #othersLive = false;
  #because = "not started";
  #looksBegun = 0;
  #looksEnded = 0;
  #letGo: () => Promise<void> = async () => {};

  constructor(deps: LeadershipDeps) {
    this.#deps = deps;
    this.loop = new Loop({
      name: "replica-leader",
      interval: LEAD_INTERVAL,
      clock: deps.system.clock,
      logger: deps.logger,
      run: () => this.look(),
    });
  }

  get state(): LeadershipState {
    return this.#state;
  }

  get leads(): boolean {
    return this.#state.kind === "leads";
  }

  /** One sentence for people. */
  get because(): string {
    return this.#because;
  }

  /** Takes the lease when it is free, and goes on from there. Throws what PostgreSQL throws the first time. */
  async start(): Promise<void> {
    const { database, replicaId } = this.#deps;
    await beat(database, replicaId);
    this.#letGo = await keepPresence(database, replicaId);
    await this.look();
    this.loop.start();
  }

  /** Lets another lead. To be called when the last samples have been written. */
  async stop(): Promise<void> {
    await this.loop.stop();
    const { database, replicaId } = this.#deps;
    await releaseLease(database, LEASE, replicaId).catch(() => {});
    this.#state = { kind: "follows", leader: undefined };
    await this.#letGo();
  }

  /** Says where this replica is reached, once its doors are open. */
  async announce(at: ReplicaAddresses): Promise<void> {
    await saveAddresses(this.#deps.database, this.#deps.replicaId, at);
  }

  /** Whether this replica holds the lease, in a transaction that may write only then. */
  stillLeads(tx: Queryable): Promise<boolean> {
    return stillHolds(tx, LEASE, this.#deps.replicaId);
  }

  /**
   * Resolves once this replica leads. Throws UNAVAILABLE, naming the leader, when another does, and when nobody has led
   * for 5 s. That another leads is believed only when it was seen after the call: who asks has perhaps just lost it.
   */
  async assertLeads(): Promise<void> {
    const { clock } = this.#deps.system;
    const until = clock.monotonic() + SETTLED_WITHIN;
    const begun = this.#looksBegun;
    while (this.#state.kind !== "leads") {
      const isNews = this.#looksEnded > begun;
      if (isNews && this.#state.kind === "follows" && this.#state.leader !== undefined) {
        const at = this.#state.leader.agents;
        throw new OpsError("UNAVAILABLE", `another replica leads${at === "" ? "" : `, at ${at}`}`);
      }
      if (clock.monotonic() >= until)
        throw new OpsError("UNAVAILABLE", `no replica leads now: ${this.#because}`);
      await clock.sleep(LOOK_AGAIN);
    }
  }

  /** One beat: renew or ask, judge, and change sides when that is the verdict. */
  async look(): Promise<void> {
    const number = ++this.#looksBegun;
    try {
      await this.#look();
    } finally {
      this.#looksEnded = number;
    }
  }

  async #look(): Promise<void> {
    const { system, logger } = this.#deps;
    const held = await this.#ask();
    const leads = this.#state.kind !== "follows";
    const now = system.clock.now();
    const verdict = judgeLeadership(
      { leads, lease: held.lease, leaseUntil: this.#leaseUntil, othersLive: this.#othersLive },
      now,
    );
    this.#because = verdict.because;
    if (!verdict.leads && leads) {
      this.#state = { kind: "follows", leader: held.leader };
      logger.warn("this replica leads no more", { because: verdict.because });
      this.#deps.stepDown(verdict.because);
    } else if (!verdict.leads && held.lease === "another's") {
      this.#state = { kind: "follows", leader: held.leader };
    } else if (held.granted !== undefined && !this.#leadsSince(held.granted)) {
      await this.#takeOver(held.granted);
    }
    if (held.error !== undefined) throw held.error;
  }

  /** False as well when another has led in between, unnoticed: then what it wrote is to be read back. */
  #leadsSince({ generation }: Lease): boolean {
    return this.#state.kind === "leads" && this.#state.generation === generation;
  }

  async #ask(): Promise<{
    readonly lease: "ours" | "another's" | "unknown";
    readonly granted?: Lease;
    readonly leader?: KnownReplica | undefined;
    readonly error?: unknown;
  }> {
    const { database, replicaId, system } = this.#deps;
    const asked = system.clock.now();
    try {
      const granted = await holdLease(database, LEASE, replicaId, LEASE_LENGTH);
      if (granted !== undefined) this.#leaseUntil = asked + LEASE_LENGTH;
      const { leader, live } = await readOthers(database, replicaId, LEASE, REPLICA_GONE_AFTER);
      this.#othersLive = live > 0;
      return granted === undefined ? { lease: "another's", leader } : { lease: "ours", granted };
    } catch (error) {
      return { lease: "unknown", error };
    }
  }

  async #takeOver({ generation }: Lease): Promise<void> {
    const { database, system, logger, replicaId, takeOver } = this.#deps;
    const { clock } = system;
    const started = clock.monotonic();
    if (this.#state.kind === "leads") this.#deps.stepDown("another replica led in between");
    this.#state = { kind: "taking-over" };
    // Reading back may take longer than the lease lasts.
    const renewing = new AbortController();
    void this.#renewUntil(renewing.signal);
    try {
      await takeOver();
      await database.transaction(async (tx) => {
        if (!(await this.stillLeads(tx)))
          throw new OpsError("ABORTED", "the lease passed on while it was being taken over");
        await appendEntries(tx, [
          {
            at: clock.now(),
            kind: "replica.leads",
            subject: `replica:${replicaId}`,
            actor: SYSTEM,
            because: generation === 1 ? "it is the first" : "the replica before it let go or went away",
            facts: { generation },
          },
        ]);
      });
    } catch (error) {
      this.#state = { kind: "follows", leader: undefined };
      logger.warn("this replica could not take over; trying again", { because: messageOf(error) });
      return;
    } finally {
      renewing.abort();
    }
    this.#state = { kind: "leads", since: clock.now(), generation };
    logger.info("this replica leads", { generation, tookMs: Math.round(clock.monotonic() - started) });
  }

  async #renewUntil(signal: AbortSignal): Promise<void> {
    const { database, replicaId, system } = this.#deps;
    while (!signal.aborted) {
      await system.clock.sleep(LEASE_LENGTH / 3, signal);
      if (signal.aborted) return;
      const asked = system.clock.now();
      const lease = await holdLease(database, LEASE, replicaId, LEASE_LENGTH).catch(() => undefined);
      if (lease !== undefined) this.#leaseUntil = asked + LEASE_LENGTH;
    }
  }
}
