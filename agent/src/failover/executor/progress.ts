/** How far the log is, here and at the replicas, asked over one connection that lives as long as its server. */
import type { Lsn, NodeId } from "@mainstay/proto/failover/words";
import type { Timers } from "../../system.js";
import { asksOf, connect, textOf } from "./connection.js";
import { GATE_NAME } from "./gate-name.js";
import { parseLsn } from "./lsn.js";
import type { ServerFiles } from "./server-files.js";

export interface Progress {
  readonly recovering: boolean;
  readonly lsn: Lsn;
  readonly flushed: Readonly<Record<NodeId, Lsn>>;
  readonly streaming: boolean;
}

export interface ProgressParts {
  readonly files: ServerFiles;
  readonly timers: Timers;
  /** The server that runs, as a thing that is another for another; undefined when none does. */
  readonly server: () => object | undefined;
  readonly tell: (progress: Progress) => void;
}

const EVERY_MS = 100;
const ANSWER_MS = 2_000;

const question = `select pg_is_in_recovery() as recovering,
  case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    else pg_current_wal_flush_lsn() end::text as lsn,
  exists (select from pg_stat_wal_receiver where status = 'streaming') as streaming,
  (select json_object_agg(application_name, flush_lsn::text) from pg_stat_replication
    where flush_lsn is not null and application_name <> '${GATE_NAME}') as flushed`;

type Connection = Awaited<ReturnType<typeof connect>>;

export class ProgressWatch {
  readonly #parts: ProgressParts;
  readonly #flushed = new Map<NodeId, Lsn>();
  readonly #end: () => void;
  #asking = false;
  #open: { readonly server: object; readonly client: Connection } | undefined;

  constructor(parts: ProgressParts) {
    this.#parts = parts;
    this.#end = parts.timers.every(EVERY_MS, () => void this.#look());
  }

  stop(): void {
    this.#end();
    this.#close();
  }

  /** What replicas had said was said to another primary. */
  forget(): void {
    this.#flushed.clear();
  }

  async #look(): Promise<void> {
    const server = this.#parts.server();
    if (this.#asking || server === undefined) return;
    this.#asking = true;
    try {
      const [row] = await asksOf(await this.#connection(server))(question);
      const lsn = parseLsn(textOf(row?.["lsn"]));
      if (lsn === undefined || this.#parts.server() !== server) return;
      this.#parts.tell({
        recovering: row?.["recovering"] === true,
        lsn,
        flushed: this.#note(positionsOf(row?.["flushed"])),
        streaming: row?.["streaming"] === true,
      });
    } catch {
      this.#close();
    } finally {
      this.#asking = false;
    }
  }

  async #connection(server: object): Promise<Connection> {
    if (this.#open?.server !== server) {
      this.#close();
      this.#open = { server, client: await connect(this.#parts.files, ANSWER_MS) };
    }
    return this.#open.client;
  }

  #close(): void {
    this.#open?.client.end().catch(() => undefined);
    this.#open = undefined;
  }

  /** What a replica had said stays true when its connection ends: it is promoted with no less, or not at all. */
  #note(said: Readonly<Record<NodeId, Lsn>>): Readonly<Record<NodeId, Lsn>> {
    for (const [member, lsn] of Object.entries(said)) {
      if (this.#parts.files.settings.policy.members.includes(member)) {
        this.#flushed.set(member, Math.max(lsn, this.#flushed.get(member) ?? 0));
      }
    }
    return Object.fromEntries(this.#flushed);
  }
}

function positionsOf(value: unknown): Readonly<Record<NodeId, Lsn>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, text]): [string, number][] => {
      const lsn = parseLsn(textOf(text));
      return lsn === undefined ? [] : [[name, lsn]];
    }),
  );
}
