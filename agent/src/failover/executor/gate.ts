/**
 * Bounds what an asynchronous primary acknowledges. Its commits wait for one receiver of the log, this one, which confirms
 * what it is sent at once, but never beyond the limit: how far the replicas are, and the RPO. So the bound is PostgreSQL's
 * own waiting and no sample; with the agent frozen nothing more is acknowledged.
 */
import type { Client } from "pg";
import { type Log, reasonOf } from "../../log.js";
import type { System } from "../../system.js";
import { clientConfig } from "./connection.js";
import { GATE_NAME } from "./gate-name.js";
import { parseLsn } from "./lsn.js";
import type { ServerFiles } from "./server-files.js";

const AGAIN_MS = 100;
/** Microseconds from 1970 to 2000, where PostgreSQL's clock begins. */
const EPOCH_2000_US = 946_684_800_000_000n;
/** PostgreSQL takes no position of 2^64; no log is as long as 2^52. */
const NO_LIMIT = 2 ** 52;

export class CommitGate {
  readonly #files: ServerFiles;
  readonly #system: System;
  readonly #log: Log;
  readonly #mayConfirm: () => boolean;
  #limit: number;
  #received = 0;
  #confirmed = 0;
  #client: Client | undefined;
  #write: ((bytes: Buffer) => void) | undefined;
  #stopped = false;

  /** `mayConfirm`: the lease has not run out. Asked each time: a process that was stopped goes on where it was. */
  constructor(files: ServerFiles, system: System, log: Log, limit: number, mayConfirm: () => boolean) {
    this.#files = files;
    this.#system = system;
    this.#log = log;
    this.#mayConfirm = mayConfirm;
    this.#limit = Math.min(limit, NO_LIMIT);
    void this.#keepOpen();
  }

  limit(upTo: number): void {
    this.#limit = Math.min(upTo, NO_LIMIT);
    this.#confirm(false);
  }

  /** There is a lease again, or a longer one. */
  renewed(): void {
    this.#confirm(false);
  }

  stop(): void {
    this.#stopped = true;
    this.#client?.end().catch(() => undefined);
  }

  async #keepOpen(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#receive();
      } catch (error) {
        if (!this.#stopped) {
          this.#log("debug", "the gate of commits is opened again", { because: reasonOf(error) });
        }
      }
      this.#write = undefined;
      await this.#system.timers.sleep(AGAIN_MS);
    }
  }

  /** Until the connection ends. */
  async #receive(): Promise<void> {
    const { default: pg } = await import("pg");
    const config = { ...clientConfig(this.#files, GATE_NAME), replication: "true" };
    const client = new pg.Client(config);
    this.#client = client;
    const ended = new Promise<void>((resolve) => {
      client.on("error", () => resolve());
      client.on("end", () => resolve());
    });
    try {
      await client.connect();
      const { rows } = await client.query<{ xlogpos: string }>("IDENTIFY_SYSTEM");
      // The driver knows no log, but its connection carries one.
      const connection: unknown = Reflect.get(client, "connection");
      if (!(connection instanceof pg.Connection)) throw new Error("the driver has no connection to write to");
      const { stream } = connection;
      connection.on("copyData", (message: { readonly chunk: Buffer }) => this.#take(message.chunk));
      const from = rows[0]?.xlogpos;
      connection.once("replicationStart", () => {
        // Commits before this position may wait already, and nothing would be sent for them.
        this.#received = parseLsn(from) ?? 0;
        this.#confirmed = 0;
        this.#write = (bytes) => stream.write(bytes);
        this.#confirm(true);
      });
      const copying = client.query(`START_REPLICATION PHYSICAL ${from ?? "0/0"}`);
      await Promise.race([ended, copying]);
    } finally {
      this.#client = undefined;
      client.end().catch(() => undefined);
    }
  }

  #take(chunk: Buffer): void {
    const kind = String.fromCharCode(chunk[0] ?? 0);
    if (kind === "w" && chunk.length >= 25) {
      this.#received = Math.max(this.#received, Number(chunk.readBigUInt64BE(1)) + chunk.length - 25);
      this.#confirm(false);
    } else if (kind === "k" && chunk.length >= 18) {
      this.#received = Math.max(this.#received, Number(chunk.readBigUInt64BE(1)));
      this.#confirm(chunk[17] === 1);
    }
  }

  #confirm(asked: boolean): void {
    // Without a lease another may be the primary by now; what it is asked is answered with what it said before.
    const upTo = this.#mayConfirm() ? Math.min(this.#received, this.#limit) : this.#confirmed;
    if (this.#write === undefined || (upTo <= this.#confirmed && !asked)) return;
    this.#confirmed = Math.max(this.#confirmed, upTo);
    const message = Buffer.alloc(39);
    message.write("d", 0);
    message.writeInt32BE(38, 1);
    message.write("r", 5);
    for (const at of [6, 14, 22]) message.writeBigUInt64BE(BigInt(this.#confirmed), at);
    const now = BigInt(Math.trunc(this.#system.clock.now())) * 1_000n - EPOCH_2000_US;
    message.writeBigInt64BE(now, 30);
    this.#write(message);
  }
}
