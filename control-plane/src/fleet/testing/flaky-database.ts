/** A database that a test can take away and give back. */
import { OpsError } from "../../kernel/errors.js";
import { silentLogger } from "../../platform/logger.js";
import { Database, type Transaction } from "../../platform/postgres/database.js";
import type { Sql } from "../../platform/postgres/sql.js";

export class FlakyDatabase extends Database {
  away = false;

  constructor(url: string) {
    super({ url, logger: silentLogger, connectionsMax: 2 });
  }

  override query<Row extends object>(statement: Sql): Promise<readonly Row[]> {
    return this.away ? this.#gone() : super.query<Row>(statement);
  }

  override transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.away ? this.#gone() : super.transaction<T>(work);
  }

  #gone(): Promise<never> {
    return Promise.reject(new OpsError("UNAVAILABLE", "PostgreSQL is away"));
  }
}
