/**
 * Looks after the pgbouncers of one cluster on this host: holds their clients and leads them as the control plane says.
 * It says again and again what it wants; what was said last counts, and an older word is not obeyed. Clients whose hold is
 * not wanted any more by anybody are let go from here.
 */
import { type PoolerOrder, type PoolerReport, rankOf } from "@mainstay/proto/failover/poolers";
import type { NodeId } from "@mainstay/proto/failover/words";
import { type Log, reasonOf } from "../../log.js";
import type { System } from "../../system.js";
import type { HostPort } from "../settings.js";
import { Bouncer, type Looked } from "./bouncer.js";
import type { PoolerSettings } from "./settings.js";

export interface PoolerParts {
  readonly settings: PoolerSettings;
  readonly system: System;
  readonly log: Log;
  /** To the control plane now, or never. */
  readonly say: (report: PoolerReport) => void;
}

const BEAT_MS = 1_000;
/** What fails is tried again after this. */
const AGAIN_MS = 200;
/** Clients that were held by an earlier life of the agent: so long for the control plane to be heard. */
const LAPSE_AT_START_MS = 10_000;

export class Pooler {
  readonly #parts: PoolerParts;
  readonly #bouncers: readonly Bouncer[];
  #rank: number;
  #epoch: number;
  #order: Pick<PoolerOrder, "hold" | "to"> | undefined;
  /** Held by the agent, and not by a person. */
  #holds: boolean;
  #lapsesAt = Number.POSITIVE_INFINITY;
  #working: Promise<void> | undefined;
  #abort = new AbortController();
  #because = "has heard nothing yet";
  #stopBeating = (): void => {};
  #over = false;

  constructor(parts: PoolerParts) {
    this.#parts = parts;
    const { settings, log, system } = parts;
    this.#bouncers = settings.bouncers.map((one) => new Bouncer(one, settings.databases, log));
    const kept = this.#bouncers.flatMap(({ entries }) => entries ?? []);
    this.#epoch = Math.max(0, ...kept.map(({ epoch }) => epoch));
    // Clients may have been let go in that epoch, or not: either word of it is heard again.
    this.#rank = rankOf({ epoch: this.#epoch, hold: true });
    this.#holds = kept.some(({ holds }) => holds);
    if (this.#holds) this.#lapsesAt = system.clock.monotonic() + LAPSE_AT_START_MS;
  }

  start(): void {
    this.#stopBeating = this.#parts.system.timers.every(BEAT_MS, () => void this.#beat());
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#stopBeating();
    this.#abort.abort();
    await this.#working;
    for (const bouncer of this.#bouncers) bouncer.close();
  }

  received(order: PoolerOrder): void {
    const rank = rankOf(order);
    if (this.#over || rank < this.#rank) return;
    const { hold, to, lapseMs } = order;
    const isNew = this.#order === undefined || rank > this.#rank || to !== this.#order.to;
    this.#rank = rank;
    this.#epoch = order.epoch;
    this.#order = { hold, to };
    this.#lapsesAt = hold ? this.#parts.system.clock.monotonic() + lapseMs : Number.POSITIVE_INFINITY;
    // What is under way is of no account any more.
    if (isNew) this.#abort.abort();
    this.#work();
  }

  async #beat(): Promise<void> {
    if (this.#holds && this.#parts.system.clock.monotonic() >= this.#lapsesAt) {
      this.#parts.log("warn", "nobody wants the clients held any more: they go on", {
        cluster: this.#parts.settings.cluster,
      });
      this.#order = undefined;
      this.#lapsesAt = Number.POSITIVE_INFINITY;
      this.#abort.abort();
      this.#work();
    }
    await this.#tell();
  }

  #work(): void {
    this.#working ??= this.#doAll().finally(() => {
      this.#working = undefined;
    });
  }

  /** Until what was wanted last is done. */
  async #doAll(): Promise<void> {
    const { system, log, settings } = this.#parts;
    for (let attempt = 1; !this.#over; attempt++) {
      const order = this.#order;
      this.#abort = new AbortController();
      const { signal } = this.#abort;
      try {
        if (order?.hold === true) await this.#hold(signal);
        else await this.#lead(order?.to);
        await this.#tell();
        if (order === this.#order || sameWish(order, this.#order)) return;
        attempt = 0;
      } catch (error) {
        if (signal.aborted) continue;
        this.#because = reasonOf(error);
        if (attempt % 25 === 1) {
          log(
            "warn",
            order?.hold === true ? "clients could not be held yet" : "clients could not be led yet",
            {
              cluster: settings.cluster,
              because: this.#because,
            },
          );
        }
        await system.timers.sleep(AGAIN_MS, signal);
      }
    }
  }

  async #hold(signal: AbortSignal): Promise<void> {
    this.#because = "waits until what runs has ended";
    // First that it is ours to let go.
    this.#keep(true, undefined);
    this.#holds = true;
    await Promise.all(
      this.#bouncers.map(async (bouncer) => {
        const { paused, busy } = await bouncer.look();
        if (!paused || busy > 0) await bouncer.pause(signal);
      }),
    );
    this.#because = "holds its clients";
  }

  /** `to` undefined: to where they were led before. */
  async #lead(to: NodeId | undefined): Promise<void> {
    const { members } = this.#parts.settings;
    const at = members.find(({ name }) => name === to)?.postgres;
    if (to !== undefined && at === undefined) {
      throw new Error(
        `${to} is not in poolers.members of this host (${members.map(({ name }) => name).join(", ")})`,
      );
    }
    const held = this.#holds;
    await Promise.all(
      this.#bouncers.map(async (bouncer) => {
        if (at !== undefined) {
          bouncer.keep({ epoch: this.#epoch, holds: held, at });
          if (!isAt(await bouncer.look(), at)) await bouncer.reload();
          if (!isAt(await bouncer.look(), at)) {
            throw new Error(`pgbouncer does not lead to ${at.host}:${at.port}: does its file include ours?`);
          }
        }
        if (held) await bouncer.resume();
      }),
    );
    this.#keep(false, at);
    this.#holds = false;
    this.#because = to === undefined ? "let its clients go on by itself" : `leads its clients to ${to}`;
  }

  /** `at` undefined: as it was. */
  #keep(holds: boolean, at: HostPort | undefined): void {
    for (const bouncer of this.#bouncers) {
      bouncer.keep({ epoch: this.#epoch, holds, at: at ?? bouncer.entries?.at ?? null });
    }
  }

  async #tell(): Promise<void> {
    const { say, settings } = this.#parts;
    const holds = this.#holds;
    try {
      const looked = await Promise.all(this.#bouncers.map((bouncer) => bouncer.look()));
      const member = settings.members.find(({ postgres }) => looked.every((one) => isAt(one, postgres)));
      const held = holds && this.#holds && looked.every(({ paused, busy }) => paused && busy === 0);
      const foreign = !holds && looked.some(({ paused }) => paused) ? "; paused, but not by the agent" : "";
      const because = `${this.#because}${foreign}`;
      say({ epoch: this.#epoch, to: member?.name ?? null, holds: this.#holds, held, because });
    } catch (error) {
      say({ epoch: this.#epoch, to: null, holds: this.#holds, held: false, because: reasonOf(error) });
    }
  }
}

const isAt = ({ at }: Looked, wanted: HostPort): boolean =>
  at !== null && at.host === wanted.host && at.port === wanted.port;

const sameWish = (
  one: Pick<PoolerOrder, "hold" | "to"> | undefined,
  other: Pick<PoolerOrder, "hold" | "to"> | undefined,
): boolean => one?.hold === other?.hold && one?.to === other?.to;
