/** One pgbouncer: what it says of a cluster's databases, and how its clients are held, let go and led elsewhere. */
import { readFile } from "node:fs/promises";
import type { Client } from "pg";
import { type Log, reasonOf } from "../../log.js";
import type { HostPort } from "../settings.js";
import { type Entries, entriesText, readEntries, writeEntries } from "./entry-file.js";
import type { BouncerSettings, PooledDatabase } from "./settings.js";

const CONNECT_MS = 3_000;
const QUERY_MS = 3_000;
/** Clients that wait longer for a server would be cut off by pgbouncer, or wait on after the owner is back. */
const WAIT_SECONDS_MIN = 30;
const RETRY_SECONDS_MAX = 3;

export interface Looked {
  /** Where all of its databases lead; null when they are not there, or not of one mind. */
  readonly at: HostPort | null;
  /** All of them are paused. */
  readonly paused: boolean;
  /** Connections to servers that are there still. */
  readonly busy: number;
}

export class Bouncer {
  readonly #settings: BouncerSettings;
  readonly #databases: readonly PooledDatabase[];
  readonly #log: Log;
  #console: Client | undefined;

  constructor(settings: BouncerSettings, databases: readonly PooledDatabase[], log: Log) {
    this.#settings = settings;
    this.#databases = databases;
    this.#log = log;
  }

  get entries(): Entries | null {
    return readEntries(this.#settings.file);
  }

  keep(entries: Entries): void {
    writeEntries(this.#settings.file, entriesText(entries, this.#databases));
  }

  async look(): Promise<Looked> {
    const databases = (await this.#ask("SHOW DATABASES")).filter((row) => this.#isOurs(row["name"]));
    const pools = (await this.#ask("SHOW POOLS")).filter((row) => this.#isOurs(row["database"]));
    const places = new Set(databases.map((row) => `${String(row["host"])}\n${String(row["port"])}`));
    const [place] = places;
    const whole = databases.length === this.#databases.length && places.size === 1;
    const [host = "", port = ""] = place?.split("\n") ?? [];
    return {
      at: whole ? { host, port: Number(port) } : null,
      paused: databases.length > 0 && databases.every((row) => Number(row["paused"]) === 1),
      busy: pools.reduce((sum, row) => sum + countOf(row), 0),
    };
  }

  /** Lets what runs end, and holds back what comes. Resolves when nothing runs any more; rejects when `signal` aborts. */
  async pause(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#databases.map(async ({ name }) => {
        // It answers only when it is done: on a connection that can be given up.
        const client = await this.#connect(0);
        const giveUp = (): void => void client.end().catch(ignoreItsEnd);
        signal.addEventListener("abort", giveUp, { once: true });
        try {
          if (signal.aborted) throw new Error("something else is wanted");
          await client.query(`PAUSE ${name}`);
        } finally {
          signal.removeEventListener("abort", giveUp);
          giveUp();
        }
      }),
    );
  }

  async resume(): Promise<void> {
    for (const row of await this.#ask("SHOW DATABASES")) {
      if (!this.#isOurs(row["name"]) || Number(row["paused"]) !== 1) continue;
      await this.#ask(`RESUME ${String(row["name"])}`);
    }
  }

  async reload(): Promise<void> {
    await this.#ask("RELOAD");
  }

  close(): void {
    this.#console?.end().catch(ignoreItsEnd);
    this.#console = undefined;
  }

  #isOurs(name: unknown): boolean {
    return this.#databases.some((database) => database.name === name);
  }

  /** On the console that is kept; a broken one is opened anew the next time. */
  async #ask(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    try {
      this.#console ??= await this.#open();
      return (await this.#console.query<Readonly<Record<string, unknown>>>(text)).rows;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #open(): Promise<Client> {
    const client = await this.#connect(QUERY_MS);
    const { rows } = await client.query<Readonly<Record<string, unknown>>>("SHOW CONFIG");
    const settings = new Map(rows.map((row) => [String(row["key"]), String(row["value"])]));
    for (const because of doubtsOf(settings)) {
      this.#log("warn", "a pgbouncer is not set as a change of the owner wants it", { because });
    }
    return client;
  }

  async #connect(queryMs: number): Promise<Client> {
    // Loaded when first needed: it costs 10 MB of memory.
    const { default: pg } = await import("pg");
    const { url, urlFile } = this.#settings;
    const client = new pg.Client({
      connectionString: url ?? (await readFile(urlFile ?? "", "utf8")).trim(),
      application_name: "mainstay-agent",
      connectionTimeoutMillis: CONNECT_MS,
      ...(queryMs === 0 ? {} : { query_timeout: queryMs }),
    });
    // Without a listener its loss would end the process; what runs on it rejects anyway.
    client.on("error", (error) => {
      this.#log("debug", "a pgbouncer's console was lost", { because: reasonOf(error) });
      if (this.#console === client) this.#console = undefined;
    });
    try {
      await client.connect();
    } catch (error) {
      client.end().catch(ignoreItsEnd);
      throw error;
    }
    return client;
  }
}

/** It is over either way; what ran on it has told its own fault. */
const ignoreItsEnd = (): void => undefined;

/** A pool's connections to servers, whatever they do. */
function countOf(pool: Readonly<Record<string, unknown>>): number {
  let sum = 0;
  for (const [key, value] of Object.entries(pool)) if (/^sv_/.test(key)) sum += Number(value) || 0;
  return sum;
}

/** What would make clients wait too long, or fail, when the owner changes. */
export function doubtsOf(settings: ReadonlyMap<string, string>): readonly string[] {
  const doubts: string[] = [];
  const seconds = (key: string): number => Number(settings.get(key) ?? Number.NaN);
  const retry = seconds("server_login_retry");
  if (retry > RETRY_SECONDS_MAX) {
    doubts.push(
      `server_login_retry is ${retry} s, expected at most ${RETRY_SECONDS_MAX}: so long clients wait after a new owner is open`,
    );
  }
  const wait = seconds("query_wait_timeout");
  if (wait > 0 && wait < WAIT_SECONDS_MIN) {
    doubts.push(
      `query_wait_timeout is ${wait} s, expected 0 or at least ${WAIT_SECONDS_MIN}: held clients are cut off`,
    );
  }
  if (seconds("tcp_user_timeout") === 0) {
    doubts.push(
      "tcp_user_timeout is 0, expected such as 5000 ms: what runs at a host that is gone waits for minutes",
    );
  }
  if (settings.get("pool_mode") === "session") {
    doubts.push(
      "pool_mode is session, expected transaction or statement: clients are held only when they have left",
    );
  }
  return doubts;
}
