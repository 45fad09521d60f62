/**
 * PostgreSQL, the truth: a pool, transactions, and LISTEN.
 */
import pg from "pg";
import { OpsError } from "../../kernel/errors.js";
import type { Logger } from "../logger.js";
import type { Sql } from "./sql.js";

/** What can run a statement: the pool, or a transaction under way. */
export interface Queryable {
  /** All rows. Throws OpsError: UNAVAILABLE when the server cannot be reached, else INTERNAL, with `sqlState`. */
  query<Row extends object>(statement: Sql): Promise<readonly Row[]>;
}

/** A transaction under way. */
export interface Transaction extends Queryable {
  readonly kind: "transaction";
}

export interface PoolFigures {
  /** Connections that run something now. */
  readonly active: number;
  readonly max: number;
  readonly waiting: number;
}

export interface DatabaseOptions {
  readonly url: string;
  /** @default 20 */
  readonly connectionsMax?: number;
  /** How long to wait for a connection. @default 5,000 */
  readonly connectTimeoutMs?: number;
  /** How long the server lets one statement run. @default 30,000 */
  readonly statementTimeoutMs?: number;
  readonly logger: Logger;
  /** Told after each statement how long it took. */
  readonly onStatement?: (seconds: number) => void;
}

/**
 * How long the server lets a transaction stand still: a replica that hangs in the middle of one holds the journal's lock
 * and its lease's row, and with them all others.
 */
const IDLE_IN_TRANSACTION_MS = 5_000;

/** SQLSTATE classes and codes after which the same call may succeed later. */
const TRANSIENT = /^(08|53|57P0|58|40)/;

/** A prepared statement's table was changed by a newer replica's migration: the connection is of no use, another is. */
function isOutlived(error: unknown): boolean {
  const { code, message } = Object(error) as { readonly code?: unknown; readonly message?: unknown };
  return code === "0A000" && String(message).includes("cached plan");
}

const toQuery = ({ text, values, name }: Sql): pg.QueryConfig =>
  name === undefined ? { text, values: [...values] } : { name, text, values: [...values] };

function translate(error: unknown): OpsError {
  const code = (error as { code?: unknown }).code;
  const state = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (state === "53100") {
    return new OpsError(
      "RESOURCE_EXHAUSTED",
      `PostgreSQL's disk is full: ${message}`,
      { sqlState: state },
      { cause: error },
    );
  }
  if (state === "22021" || state === "22P05") {
    // What callers and hosts say may hold a NUL; it is their fault and not ours.
    return new OpsError(
      "INVALID_ARGUMENT",
      "a text holds a NUL character",
      { sqlState: state },
      { cause: error },
    );
  }
  const away = state === undefined || TRANSIENT.test(state) || isOutlived(error);
  return new OpsError(
    away ? "UNAVAILABLE" : "INTERNAL",
    `PostgreSQL: ${message}`,
    state === undefined ? {} : { sqlState: state },
    { cause: error },
  );
}

export class Database implements Queryable {
  readonly #pool: pg.Pool;
  readonly #max: number;
  readonly #logger: Logger;
  readonly #url: string;
  readonly #onStatement: (seconds: number) => void;
  readonly #listeners = new Set<pg.Client>();
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#max = options.connectionsMax ?? 20;
    this.#logger = options.logger;
    this.#url = options.url;
    this.#onStatement = options.onStatement ?? (() => {});
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: this.#max,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
      statement_timeout: options.statementTimeoutMs ?? 30_000,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      application_name: "mainstay",
      keepAlive: true,
    });
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    this.#pool.on("error", (error) => this.#logger.warn("a database connection broke while idle", {}, error));
  }

  async query<Row extends object>(statement: Sql): Promise<readonly Row[]> {
    const started = performance.now();
    try {
      const result = await this.#pool.query<Row>(toQuery(statement));
      return result.rows;
    } catch (error) {
      throw translate(error);
    } finally {
      this.#onStatement((performance.now() - started) / 1_000);
    }
  }

  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it throws.
   * OpsErrors of `work` pass unchanged; errors of PostgreSQL are translated.
   */
  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw translate(error);
    }
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on("error", onError);
    const tx: Transaction = {
      kind: "transaction",
      query: async <Row extends object>(statement: Sql) => {
        const started = performance.now();
        try {
          const result = await client.query<Row>(toQuery(statement));
          return result.rows;
        } catch (error) {
          if (isOutlived(error)) broken = error as Error;
          throw translate(error);
        } finally {
          this.#onStatement((performance.now() - started) / 1_000);
        }
      },
    };
    try {
      await tx.query({ text: "begin", values: [] });
      const result = await work(tx);
      await tx.query({ text: "commit", values: [] });
      return result;
    } catch (error) {
      await client.query("rollback").catch((cause: Error) => {
        broken = cause;
      });
      throw error;
    } finally {
      client.off("error", onError);
      client.release(broken);
    }
  }

  /**
   * Calls `heard` for each NOTIFY on `channel`, and `heard("")` after each reconnection, for then some may have been missed.
   * Reconnects after `retryMs` until stopped. Returns the way to stop.
   */
  listen(channel: string, heard: (payload: string) => void, retryMs = 1_000): () => Promise<void> {
    return this.#keepOpen("mainstay-listen", retryMs, async (client) => {
      client.on("notification", (message) => heard(message.payload ?? ""));
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
      heard("");
    });
  }

  /**
   * Keeps one session beside the pool: `begin` is run on it, and again on each new one when it broke, until stopped.
   * Resolves with the way to stop when `begin` has succeeded the first time; rejects when that first time fails.
   */
  keepSession(begin: (session: Queryable) => Promise<void>, retryMs = 500): Promise<() => Promise<void>> {
    return new Promise((resolve, reject) => {
      let begun = false;
      const stop = this.#keepOpen("mainstay-presence", retryMs, async (client) => {
        const query = async <Row extends object>(statement: Sql): Promise<readonly Row[]> =>
          (await client.query<Row>(statement.text, [...statement.values])).rows;
        try {
          await begin({ query });
        } catch (error) {
          if (!begun) {
            reject(translate(error));
            void stop();
          }
          throw error;
        }
        begun = true;
        resolve(stop);
      });
    });
  }

  #keepOpen(name: string, retryMs: number, begin: (client: pg.Client) => Promise<void>): () => Promise<void> {
    let stopped = false;
    let current: pg.Client | undefined;
    let timer: NodeJS.Timeout | undefined;
    const open = async (): Promise<void> => {
      if (stopped || this.#closed) return;
      const client = new pg.Client({
        connectionString: this.#url,
        application_name: name,
        keepAlive: true,
      });
      current = client;
      let ended = false;
      const again = (): void => {
        if (ended) return;
        ended = true;
        this.#listeners.delete(client);
        client.end().catch(() => {});
        if (!stopped && !this.#closed) timer = setTimeout(() => void open(), retryMs);
      };
      client.on("error", again);
      client.on("end", again);
      try {
        await client.connect();
        this.#listeners.add(client);
        await begin(client);
      } catch {
        again();
      }
    };
    void open();
    return async () => {
      stopped = true;
      clearTimeout(timer);
      await current?.end().catch(() => {});
    };
  }

  figures(): PoolFigures {
    return {
      active: this.#pool.totalCount - this.#pool.idleCount,
      max: this.#max,
      waiting: this.#pool.waitingCount,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#listeners].map((client) => client.end().catch(() => {})));
    await this.#pool.end();
  }
}
