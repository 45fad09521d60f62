/**
 * One adopted cluster: looked at, and what follows is written down before Patroni is asked for anything. When that fails,
 * all that is not written down is forgotten, as if the process had been killed.
 */
import { messageOf } from "../../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";
import type { Logger } from "../../platform/logger.js";
import type { Database } from "../../platform/postgres/database.js";
import type { Clock } from "../../platform/system.js";
import type { FailoverRequest } from "../domain/failover-request.js";
import { afterRequest } from "../domain/patroni/ask-patroni.js";
import { afterAnswer, afterLook } from "../domain/patroni/next-patroni.js";
import type { PatroniPolicy, PatroniState } from "../domain/patroni/patroni-cluster.js";
import { fitReplicas, openOwner, type PatroniSeen, readSeen } from "../domain/patroni/patroni-seen.js";
import {
  NO_MEMORY,
  type PatroniEffect,
  type PatroniMemory,
  type PatroniStep,
} from "../domain/patroni/patroni-step.js";
import { endRequest } from "../requests.store.js";
import {
  appendPatroniRecords,
  keepObservation,
  type PatroniObservation,
  takeAdoptedTerm,
} from "./patroni.store.js";
import type { PatroniClient } from "./patroni-client.js";

/** What changes seldom is asked for so often. */
const SETTINGS_EVERY: Duration = 10 * SECOND;
const KEEP_EVERY: Duration = SECOND;

export interface PatroniDriverPorts {
  readonly database: Database;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly client: (policy: PatroniPolicy) => PatroniClient;
  readonly page: (epoch: number, because: string) => void;
}

interface Driven {
  readonly policy: PatroniPolicy;
  readonly client: PatroniClient;
  readonly term: number;
  state: PatroniState;
}

export class PatroniDriver {
  readonly cluster: string;
  readonly #ports: PatroniDriverPorts;
  readonly #stop = new AbortController();
  readonly #asked = new Set<Promise<void>>();
  #driven: Driven | undefined;
  #memory: PatroniMemory = NO_MEMORY;
  #seen: PatroniSeen | undefined;
  #settingsAt: Instant = 0;
  #keptAt: Instant = 0;
  #because = "not looked at yet";
  /** One thing after another: a look, a request, an answer. */
  #line: Promise<void> = Promise.resolve();
  #over = false;

  constructor(cluster: string, ports: PatroniDriverPorts) {
    this.cluster = cluster;
    this.#ports = ports;
  }

  /** The term is another's, or it was stopped. */
  get over(): boolean {
    return this.#over;
  }

  get state(): PatroniState | undefined {
    return this.#driven?.state;
  }

  get policy(): PatroniPolicy | undefined {
    return this.#driven?.policy;
  }

  get seen(): PatroniSeen | undefined {
    return this.#seen;
  }

  /** Whether what comes next is near, and it is looked more often. */
  get busy(): boolean {
    return this.#driven !== undefined && this.#driven.state.decision !== null;
  }

  /** Looks at the cluster, and takes up what follows from it. */
  look(): Promise<void> {
    return this.#inLine("look", async () => {
      const driven = this.#driven ?? (await this.#begin());
      const now = this.#ports.clock.now();
      const settings = now - this.#settingsAt >= SETTINGS_EVERY;
      const history = settings || driven.state.decision !== null || this.#seen === undefined;
      const heard = await driven.client.look({ history, config: settings }, this.#stop.signal);
      if (this.#over) return;
      const seen = this.#complete(readSeen(heard, this.#ports.clock.now(), this.#seen), history);
      if (settings && seen.settings !== undefined) this.#settingsAt = now;
      this.#seen = seen;
      await this.#take(driven, afterLook(driven.policy, driven.state, seen, this.#memory));
      this.#remember(seen);
      await this.#keep(driven, seen);
    });
  }

  /** What a person asks. Who has not looked yet would refuse what is fine: that waits for the next time. */
  takeRequest(request: FailoverRequest): Promise<void> {
    return this.#inLine("request", async () => {
      const driven = this.#driven;
      if (driven === undefined || this.#seen === undefined) return;
      const at = this.#ports.clock.now();
      const step = afterRequest(driven.policy, driven.state, request, this.#seen, this.#memory, at);
      if (step.records.length > 0) await this.#take(driven, step, request);
      else {
        const end = { state: "refused" as const, because: step.because, epoch: undefined, now: at };
        await endRequest(this.#ports.database, request.id, end);
      }
    });
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#stop.abort();
    await this.#line;
    await Promise.all(this.#asked);
  }

  #inLine(what: string, work: () => Promise<void>): Promise<void> {
    const next = this.#line.then(async () => {
      if (this.#over) return;
      try {
        await work();
      } catch (error) {
        this.#driven = undefined;
        this.#memory = NO_MEMORY;
        this.#because = `begins anew: ${messageOf(error)}`;
        this.#ports.logger.warn(
          "a step of an adopted cluster failed",
          { cluster: this.cluster, what },
          error,
        );
      }
    });
    this.#line = next;
    return next;
  }

  async #begin(): Promise<Driven> {
    const { policy, term, state, observed } = await takeAdoptedTerm(this.#ports.database, this.cluster);
    const open = observed?.seen.open;
    this.#memory = {
      ...NO_MEMORY,
      open: open && { ...open, lsn: open.lsn, itself: true },
      lookedAt: observed?.seen.seen.at,
    };
    this.#settingsAt = 0;
    this.#driven = { policy, term, state, client: this.#ports.client(policy) };
    return this.#driven;
  }

  /** What was not asked for this time is as it was before. */
  #complete(seen: PatroniSeen, history: boolean): PatroniSeen {
    const before = this.#seen;
    if (before === undefined) return seen;
    return {
      ...seen,
      settings: seen.settings ?? before.settings,
      history: history && seen.history.length > 0 ? seen.history : before.history,
      version: seen.version === "" ? before.version : seen.version,
    };
  }

  #remember(seen: PatroniSeen): void {
    const open = openOwner(seen);
    const { fitAt } = this.#memory;
    this.#memory = {
      ...this.#memory,
      lookedAt: seen.at,
      fitAt: fitAt === undefined || fitReplicas(seen).length > 0 ? seen.at : fitAt,
      open: open === undefined ? this.#memory.open : { ...open, at: seen.at },
    };
  }

  async #keep({ term }: Driven, seen: PatroniSeen): Promise<void> {
    const now = this.#ports.clock.now();
    if (now - this.#keptAt < KEEP_EVERY) return;
    this.#keptAt = now;
    const { open } = this.#memory;
    const observation: PatroniObservation = {
      because: this.#because,
      // It stands in the log what of it mattered, and Patroni keeps it.
      seen: { ...seen, history: [] },
      ...(open === undefined
        ? {}
        : {
            open: {
              leader: open.leader,
              timeline: open.timeline,
              at: open.at,
              ...(open.lsn === undefined ? {} : { lsn: open.lsn }),
            },
          }),
    };
    if (!(await keepObservation(this.#ports.database, this.cluster, term, observation, now))) this.#end();
  }

  /** Writes down what a step says, with the end of the request that led to it; only then is anything done. */
  async #take(driven: Driven, step: PatroniStep, request?: FailoverRequest): Promise<void> {
    const { database, clock } = this.#ports;
    // Whoever was succeeded, or let the cluster go, asks Patroni for nothing any more.
    if (step.records.length > 0 || step.effects.length > 0) {
      const opened = step.records.find((record) => record.kind === "patroni-intended");
      const end = { state: "done" as const, because: step.because, epoch: opened?.epoch, now: clock.now() };
      const written = await appendPatroniRecords(
        database,
        this.cluster,
        driven.term,
        step.records,
        async (tx) => request === undefined || endRequest(tx, request.id, end),
      );
      if (written.kind === "skipped") return;
      if (written.kind === "deposed") {
        this.#end();
        return;
      }
      driven.state = written.state;
    }
    if (step.because !== "") this.#because = step.because;
    for (const effect of step.effects) this.#carryOut(driven, effect);
  }

  #carryOut(driven: Driven, effect: PatroniEffect): void {
    const { clock, page } = this.#ports;
    switch (effect.kind) {
      case "page":
        page(effect.epoch, effect.because);
        return;
      case "pause":
        this.#memory = { ...this.#memory, pausedAt: clock.now() };
        this.#ask(async () => {
          const { status, says } = await driven.client.pause(effect.pause, this.#stop.signal);
          if (status === 200) return;
          this.#because = `Patroni's maintenance mode could not be changed (${status}): ${says}`;
          this.#ports.logger.warn("Patroni's maintenance mode could not be changed", {
            cluster: this.cluster,
            status,
            says,
          });
        });
        return;
      case "move": {
        const { epoch, path, from, to } = effect;
        this.#memory = { ...this.#memory, asking: { epoch, at: clock.now(), lost: false } };
        this.#ask(async () => {
          // A switchover from another than the one it was planned from is refused by Patroni.
          const body = path === "/switchover" ? { leader: from, candidate: to } : { candidate: to };
          const answer = await driven.client.move(path, body, this.#stop.signal);
          await this.#inLine("answer", async () => {
            if (this.#driven !== driven) return;
            if (answer.status === 0) {
              this.#memory = { ...this.#memory, asking: { epoch, at: clock.now(), lost: true } };
            }
            await this.#take(driven, afterAnswer(driven.state, { epoch, ...answer }, clock.now()));
          });
        });
      }
    }
  }

  /** Beside the line: Patroni answers when it is done, and what it does is seen meanwhile. */
  #ask(work: () => Promise<void>): void {
    const asked = work().finally(() => this.#asked.delete(asked));
    this.#asked.add(asked);
  }

  #end(): void {
    this.#over = true;
    this.#stop.abort();
    this.#because = "another has taken the term";
    this.#ports.logger.info("an adopted cluster is looked at by this replica no more", {
      cluster: this.cluster,
    });
  }
}
