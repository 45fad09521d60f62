/**
 * Judges the nodes, once a second: those whose stream is or was on this replica from memory, and those whose replica
 * has gone, under a lease. So the cost is one look at each open stream, and PostgreSQL hears of changes only.
 */

import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { messageOf } from "../kernel/errors.js";
import type { NodeId } from "../kernel/ids.js";
import { type Duration, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import { holdLease, releaseLease } from "../platform/postgres/lease.js";
import type { System } from "../platform/system.js";
import { type LivenessChange, noteHeard, revokedAmong, revokedLately, saveLiveness } from "./agents.store.js";
import type { Liveness } from "./domain/agent.js";
import { JUDGE_INTERVAL, judgeLiveness, RETURN_ALLOWANCE } from "./domain/judge-liveness.js";
import { FLEET_CHANNEL, parseNews } from "./fleet-news.js";
import { beat, forgetReplicas, listLostNames, listOrphans } from "./replicas.store.js";
import { revokedError } from "./revoke-node.js";
import type { Session } from "./session.js";
import { newerStreamError, type Sessions } from "./sessions.js";
import { type Up, type UpSample, upSamples } from "./up-series.js";

const BEAT_INTERVAL: Duration = 2 * SECOND;
/** A replica that missed two beats and a bit is gone. */
const REPLICA_GONE_AFTER: Duration = 6 * SECOND;
const LEASE_LENGTH: Duration = 10 * SECOND;
/** Nodes heard are stored, and their `up` series goes on, this often. */
const NOTE_INTERVAL: Duration = 15 * SECOND;
/** Changes stored in one transaction; the journal's lock is held that long. */
const CHANGES_MAX = 500;
const ORPHANS_MAX = 1_000;
const LOST_MAX = 10_000;
/** A crowd at the door excuses those that are not in yet for so long after a start or a replica's end, and no longer. */
const CROWD_MAX: Duration = 5 * MINUTE;
/** A clock that goes another way than the one that only rises by more than this since the last beat was set. */
const CLOCK_SET_BY: Duration = 2 * SECOND;
/** A beat of ours later than this means that we, not the nodes, were away. */
const ABSENT_AFTER: Duration = 5 * SECOND;
/** Revocations looked at in each beat: more than there are in a second, and what is seen twice is harmless. */
const REVOKED_LOOKED_AT = 100;

export interface LivenessDeps {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly sessions: Sessions;
  /** Names this process; another one for each start. */
  readonly replicaId: string;
  /** Whether this replica may judge the nodes whose replica has gone. @default it may */
  readonly mayLead?: () => boolean;
  /** Takes the `up{job="mainstay-agent"}` samples. */
  readonly append: (samples: readonly UpSample[]) => void | Promise<void>;
}

/** A node whose stream is, or was last, on this replica. */
interface Watched {
  readonly name: string;
  readonly generation: number;
  heardAt: Instant;
  certificateExpiresAt: Instant;
  streamEnded: string | undefined;
  /** As stored. */
  liveness: Liveness;
}

export class LivenessLoop {
  readonly loop: Loop;
  readonly #deps: LivenessDeps;
  readonly #watched = new Map<NodeId, Watched>();
  #startedAt = 0;
  #excusedUntil: Instant | undefined;
  #crowdedAt: () => Instant | undefined = () => undefined;
  #lastRunAt: Instant | undefined;
  /** What both clocks said at the last beat. */
  #clocks: { readonly wall: Instant; readonly monotonic: number } | undefined;
  #beatAt = 0;
  #notedAt = 0;
  #leaseUntil = 0;
  #leaseTriedAt = 0;
  #stopListening: () => Promise<void> = async () => {};

  constructor(deps: LivenessDeps) {
    this.#deps = deps;
    this.loop = new Loop({
      name: "fleet-liveness",
      interval: JUDGE_INTERVAL,
      clock: deps.system.clock,
      logger: deps.logger,
      run: (now) => this.run(now),
    });
    deps.sessions.onOpened((session) => this.#watch(session));
    deps.sessions.onEnded((session, because) => this.#letGo(session, because));
  }

  /** `crowdedAt` says when an agent last had to stand in line before it could be heard. */
  excuse(crowdedAt: () => Instant | undefined): void {
    this.#crowdedAt = crowdedAt;
  }

  /** Beats once, so that streams opened from here on have a living replica; then judges until stopped. */
  async start(): Promise<void> {
    const { database, replicaId, system } = this.#deps;
    this.#startedAt = system.clock.now();
    await beat(database, replicaId);
    await forgetReplicas(database);
    this.#stopListening = database.listen(FLEET_CHANNEL, (payload) => this.#hear(payload));
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.#stopListening();
    await this.loop.stop();
    const { database, replicaId } = this.#deps;
    await releaseLease(database, "fleet-liveness", replicaId).catch(() => {});
  }

  /** One beat. What is judged from memory comes first, so that nothing waits for PostgreSQL but its own record. */
  async run(now: Instant): Promise<void> {
    const { database, replicaId, sessions } = this.#deps;
    if (this.#lastRunAt !== undefined && now - this.#lastRunAt > ABSENT_AFTER) this.#excusedUntil = now;
    this.#lastRunAt = now;
    await this.#heedClock(now);
    await sessions.check(now);
    await this.#judgeWatched(now);
    for (const { nodeId: id, name, revokedAt } of await revokedLately(database, REVOKED_LOOKED_AT)) {
      sessions.end(id, revokedError(name, revokedAt));
      this.#watched.delete(id);
    }
    if (now - this.#beatAt >= BEAT_INTERVAL) {
      await beat(database, replicaId);
      this.#beatAt = now;
    }
    if (await this.#leads(now)) await this.#judgeOrphans(now);
    if (now - this.#notedAt >= NOTE_INTERVAL) {
      this.#notedAt = now;
      await this.#note(now);
    }
  }

  /**
   * Agents learn our time from their welcome and judge orders by it. When our clock was set, they are sent away to learn it
   * anew, and nobody is called silent for the time that did not pass.
   */
  async #heedClock(now: Instant): Promise<void> {
    const { sessions, system, logger } = this.#deps;
    const before = this.#clocks;
    this.#clocks = { wall: now, monotonic: system.clock.monotonic() };
    if (before === undefined) return;
    const setBy = now - before.wall - (this.#clocks.monotonic - before.monotonic);
    if (Math.abs(setBy) <= CLOCK_SET_BY) return;
    logger.warn("this host's clock was set; agents come again to learn the time", {
      byMs: Math.round(setBy),
    });
    this.#excusedUntil = now;
    for (const watched of this.#watched.values()) watched.heardAt += setBy;
    for (const session of sessions.all()) session.touch();
    await sessions.sendAway("the control plane's clock was set");
  }

  #watch(session: Session): void {
    this.#watched.set(session.nodeId, {
      name: session.nodeName,
      generation: session.generation,
      heardAt: session.heardAt,
      certificateExpiresAt: session.certificateExpiresAt,
      streamEnded: undefined,
      liveness: "live",
    });
    void this.#appendUp([{ name: session.nodeName, up: true }], session.connectedAt);
  }

  #letGo(session: Session, because: string): void {
    const watched = this.#watched.get(session.nodeId);
    if (watched?.generation !== session.generation) return;
    watched.heardAt = session.heardAt;
    watched.certificateExpiresAt = session.certificateExpiresAt;
    watched.streamEnded = because;
  }

  async #judgeWatched(now: Instant): Promise<void> {
    const changes: (LivenessChange & { readonly name: string })[] = [];
    for (const [id, watched] of this.#watched) {
      const session = this.#sessionOf(id, watched);
      if (session !== undefined) {
        watched.heardAt = session.heardAt;
        watched.certificateExpiresAt = session.certificateExpiresAt;
      }
      const verdict = judgeLiveness(
        {
          revokedAt: undefined,
          revokedBecause: "",
          heardAt: watched.heardAt,
          excusedUntil: this.#excusedUntil,
          certificateExpiresAt: watched.certificateExpiresAt,
          streamEnded: watched.streamEnded,
        },
        now,
      );
      // It was lost with its stream still open, and that has ended since.
      if (verdict.liveness === "lost" && watched.liveness === "lost" && session === undefined) {
        this.#watched.delete(id);
      }
      if (verdict.liveness !== watched.liveness) {
        const { name, generation, heardAt } = watched;
        changes.push({ nodeId: id, name, generation, heardAt, ...verdict });
      }
    }
    await this.#save(changes, now, (change) => {
      const watched = this.#watched.get(change.nodeId);
      if (watched?.generation !== change.generation) return;
      watched.liveness = change.liveness;
      // What is lost and has no stream here is nobody's; its next stream may be anywhere.
      const gone = change.liveness === "lost" && this.#sessionOf(change.nodeId, watched) === undefined;
      if (gone) this.#watched.delete(change.nodeId);
    });
  }

  async #judgeOrphans(now: Instant): Promise<void> {
    const orphans = await listOrphans(this.#deps.database, REPLICA_GONE_AFTER, ORPHANS_MAX);
    const changes: (LivenessChange & { readonly name: string })[] = [];
    for (const orphan of orphans) {
      // While its replica lived the node was heard: its last stored word is older than its last word.
      const heardAt = Math.max(orphan.heardAt, orphan.replicaBeatAt ?? 0);
      const goneAt = Math.max(this.#startedAt, orphan.replicaBeatAt ?? 0);
      const verdict = judgeLiveness(
        {
          revokedAt: undefined,
          revokedBecause: "",
          heardAt,
          excusedUntil: Math.max(
            goneAt + RETURN_ALLOWANCE,
            Math.min(this.#crowdedAt() ?? 0, goneAt + CROWD_MAX),
          ),
          certificateExpiresAt: orphan.certificateExpiresAt,
          streamEnded: "the replica of the control plane that held its stream went away",
        },
        now,
      );
      if (verdict.liveness === orphan.liveness) continue;
      changes.push({
        nodeId: orphan.nodeId,
        name: orphan.name,
        generation: orphan.generation,
        heardAt,
        ...verdict,
      });
    }
    await this.#save(changes, now, () => {});
  }

  async #save(
    changes: readonly (LivenessChange & { readonly name: string })[],
    now: Instant,
    saved: (change: LivenessChange) => void,
  ): Promise<void> {
    for (let at = 0; at < changes.length; at += CHANGES_MAX) {
      const chunk = changes.slice(at, at + CHANGES_MAX);
      const counted = await this.#deps.database.transaction(async (tx) => {
        const ids = await saveLiveness(tx, chunk, now);
        const entries = chunk
          .filter((change) => ids.has(change.nodeId))
          .map((change) => ({
            at: now,
            kind: `node.${change.liveness}`,
            subject: `node:${change.nodeId}`,
            actor: SYSTEM,
            because: change.because,
            facts: { name: change.name, heardAt: change.heardAt },
          }));
        await appendEntries(tx, entries);
        return ids;
      });
      for (const change of chunk) saved(change);
      await this.#appendUp(
        chunk
          .filter((change) => counted.has(change.nodeId))
          .map((change) => ({ name: change.name, up: change.liveness === "live" })),
        now,
      );
    }
  }

  /** Stores when nodes were heard, and carries their `up` series on. */
  async #note(now: Instant): Promise<void> {
    const { database, sessions } = this.#deps;
    const here = sessions.all();
    const known = await noteHeard(
      database,
      here.map(({ nodeId: id, generation, heardAt }) => ({ nodeId: id, generation, heardAt })),
    );
    for (const session of here) {
      // Not stored: another replica holds a newer stream, and its NOTIFY did not reach us.
      if (!known.has(session.nodeId)) session.end(newerStreamError(session.nodeName));
    }
    const ups: Up[] = [...this.#watched.values()].map(({ name, liveness }) => ({
      name,
      up: liveness === "live",
    }));
    if (this.#leaseUntil > now) {
      for (const name of await listLostNames(database, LOST_MAX)) ups.push({ name, up: false });
    }
    await this.#appendUp(ups, now);
  }

  async #appendUp(nodes: readonly Up[], at: Instant): Promise<void> {
    if (nodes.length === 0) return;
    try {
      await this.#deps.append(upSamples(nodes, at));
    } catch (error) {
      this.#deps.logger.warn("the agents' up samples were not taken", { samples: nodes.length }, error);
    }
  }

  async #leads(now: Instant): Promise<boolean> {
    if (this.#deps.mayLead?.() === false) return false;
    if (now - this.#leaseTriedAt < LEASE_LENGTH / 3) return this.#leaseUntil > now;
    this.#leaseTriedAt = now;
    const { database, replicaId } = this.#deps;
    const lease = await holdLease(database, "fleet-liveness", replicaId, LEASE_LENGTH);
    // By our own clock, from before the call: never longer than the database grants.
    this.#leaseUntil = lease === undefined ? 0 : now + LEASE_LENGTH;
    return lease !== undefined;
  }

  #sessionOf(id: NodeId, watched: Watched): Session | undefined {
    const session = this.#deps.sessions.get(id);
    return session?.generation === watched.generation ? session : undefined;
  }

  /** Another replica revoked a node or opened a newer stream. What is missed here is found by the next beats. */
  #hear(payload: string): void {
    const news = parseNews(payload);
    if (news === undefined) return;
    const { sessions, database, logger } = this.#deps;
    const session = sessions.get(news.nodeId);
    if (session === undefined) return;
    if (news.generation !== undefined) {
      sessions.end(news.nodeId, newerStreamError(session.nodeName), news.generation);
      return;
    }
    revokedAmong(database, [news.nodeId]).then(
      (revoked) => {
        for (const { nodeId: id, name, revokedAt } of revoked)
          sessions.end(id, revokedError(name, revokedAt));
      },
      (error: unknown) =>
        logger.warn("a revocation could not be read; the next beat does", { error: messageOf(error) }),
    );
  }
}
