/**
 * One cluster, driven: what happens is put before the reducer one after another; what it writes down is durable before
 * anything of it is done. When that fails, all that is not written down is forgotten, as if the process had been killed.
 */
import { bootControl, stepControl } from "@mainstay/proto/failover/control";
import type { ControlEffect, ControlEvent, ControlState } from "@mainstay/proto/failover/control-state";
import type { Message } from "@mainstay/proto/failover/messages";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import type { PoolerOrder } from "@mainstay/proto/failover/poolers";
import { messageOf } from "../kernel/errors.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import type { Database } from "../platform/postgres/database.js";
import type { FailoverRequest } from "./domain/failover-request.js";
import { eventOf } from "./domain/failover-request.js";
import { type Observation, observe } from "./domain/observation.js";
import { appendRecords, confirmTerm, takeTerm } from "./recovery.store.js";
import { endRequest } from "./requests.store.js";

/** Messages that wait while a record is written; more are lost, as any message may be. */
const QUEUE_MAX = 1_000;

/**
 * A replica that was succeeded and does not know it must not vote: its vote counts only so long after PostgreSQL last
 * said that its term is the last. Whoever takes the next term counts on such a vote for as much longer.
 */
export const VOTE_AFTER_CONFIRMATION_MAX: Duration = 1_000;

export interface ClusterDriverPorts {
  readonly database: Database;
  readonly logger: Logger;
  /** Rises with the time that passes and is never set back; near the wall's time. */
  readonly now: () => Instant;
  readonly send: (node: string, message: Message) => void;
  /** To an agent that looks after poolers. */
  readonly pool: (node: string, order: PoolerOrder) => void;
  /** Traffic goes to `to`; done again it changes nothing. */
  readonly route: (epoch: number, to: string) => Promise<void>;
  readonly page: (epoch: number, because: string) => void;
}

type Happening = { readonly event: ControlEvent; readonly request?: FailoverRequest };

export class ClusterDriver {
  readonly cluster: string;
  readonly #ports: ClusterDriverPorts;
  readonly #queue: Happening[] = [];
  #driven: { readonly policy: FailoverPolicy; readonly term: number; state: ControlState } | undefined;
  #because = "not begun";
  #confirmedAt: Instant = Number.NEGATIVE_INFINITY;
  #working: Promise<void> | undefined;
  #routing: number | undefined;
  #over = false;

  constructor(cluster: string, ports: ClusterDriverPorts) {
    this.cluster = cluster;
    this.#ports = ports;
  }

  /** The term is another's, or the driver was stopped: it does nothing any more. */
  get over(): boolean {
    return this.#over;
  }

  get state(): ControlState | undefined {
    return this.#driven?.state;
  }

  get policy(): FailoverPolicy | undefined {
    return this.#driven?.policy;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  observation(): Observation | undefined {
    const driven = this.#driven;
    if (driven === undefined) return undefined;
    return observe(driven.policy, driven.state, this.#because, this.#ports.now());
  }

  /** What happened. It is taken up behind what happened before. */
  take(event: ControlEvent, request?: FailoverRequest): void {
    if (this.#over) return;
    if (event.kind === "tick" && this.#queue.some((waiting) => waiting.event.kind === "tick")) return;
    const isSaidAgain = event.kind === "message" || event.kind === "pooler";
    if (isSaidAgain && this.#queue.length >= QUEUE_MAX) return;
    this.#queue.push(request === undefined ? { event } : { event, request });
    this.#working ??= this.#work();
  }

  /** Who was just started has heard nobody yet and would refuse what is planned: that waits for the next look. */
  takeRequest(request: FailoverRequest): void {
    const driven = this.#driven;
    if (driven === undefined) return;
    if (this.#ports.now() - driven.state.bootedAt < driven.policy.silentMs) return;
    if (this.#queue.some((waiting) => waiting.request?.id === request.id)) return;
    this.take(eventOf(request), request);
  }

  /** Asks whether the term is still the last; keeps what is seen, when it is given. */
  async confirm(seen: Observation | undefined): Promise<void> {
    const driven = this.#driven;
    if (driven === undefined || this.#over) return;
    const { database, now } = this.#ports;
    const askedAt = now();
    if (await confirmTerm(database, this.cluster, driven.term, seen, askedAt)) this.#confirmedAt = askedAt;
    else this.#end("another has taken the term");
  }

  /** Resolves when what has happened so far was taken up. */
  async settled(): Promise<void> {
    await this.#working;
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#queue.length = 0;
    await this.#working;
  }

  async #work(): Promise<void> {
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        if (this.#over) return;
        try {
          await this.#step(next);
        } catch (error) {
          this.#driven = undefined;
          this.#because = `begins anew: ${messageOf(error)}`;
          this.#ports.logger.warn("a failover's step failed", { cluster: this.cluster }, error);
        }
      }
    } finally {
      this.#working = undefined;
    }
  }

  async #step({ event, request }: Happening): Promise<void> {
    const { database, now } = this.#ports;
    const driven = this.#driven ?? (await this.#begin());
    if (isVote(event) && now() - this.#confirmedAt > VOTE_AFTER_CONFIRMATION_MAX) return;
    const step = stepControl(driven.policy, driven.state, event, now());
    if (step.records.length > 0) {
      const opened = step.records.find((record) => record.kind === "intended");
      const end = { state: "done" as const, because: step.because, epoch: opened?.epoch, now: now() };
      const written = await appendRecords(database, this.cluster, driven.term, step.records, async (tx) =>
        request === undefined ? true : endRequest(tx, request.id, end),
      );
      if (written.kind === "skipped") return;
      if (written.kind === "deposed") {
        this.#end("another has taken the term");
        return;
      }
    } else if (request !== undefined) {
      const end = { state: "refused" as const, because: step.because, epoch: undefined, now: now() };
      await endRequest(database, request.id, end);
    }
    driven.state = step.state;
    if (step.because !== "") this.#because = step.because;
    for (const effect of step.effects) this.#carryOut(effect);
  }

  async #begin(): Promise<{ readonly policy: FailoverPolicy; readonly term: number; state: ControlState }> {
    const { database, now } = this.#ports;
    const askedAt = now();
    const { policy, term, state: kept } = await takeTerm(database, this.cluster);
    const booted = bootControl(policy, kept, now());
    const state = { ...booted, grantUntil: booted.grantUntil + VOTE_AFTER_CONFIRMATION_MAX };
    this.#confirmedAt = askedAt;
    this.#driven = { policy, term, state };
    return this.#driven;
  }

  #carryOut(effect: ControlEffect): void {
    const { send, pool, page, route, logger } = this.#ports;
    switch (effect.kind) {
      case "send":
        send(effect.to, effect.message);
        return;
      case "pool":
        pool(effect.to, effect.order);
        return;
      case "page":
        page(effect.epoch, effect.because);
        return;
      case "route": {
        const { epoch, to } = effect;
        if (this.#routing === epoch) return;
        this.#routing = epoch;
        route(epoch, to).then(
          () => this.take({ kind: "routed", epoch }),
          (error: unknown) => {
            this.#routing = undefined;
            logger.warn("traffic could not be sent to the new owner", { cluster: this.cluster, to }, error);
          },
        );
        return;
      }
    }
  }

  #end(because: string): void {
    this.#over = true;
    this.#because = because;
    this.#queue.length = 0;
    this.#ports.logger.info("a cluster is driven by this replica no more", {
      cluster: this.cluster,
      because,
    });
  }
}

const isVote = (event: ControlEvent): boolean => {
  if (event.kind !== "message") return false;
  const { message } = event;
  const said = message.kind === "relayed" ? message.message : message;
  return said.kind === "lease-request";
};
