/** A PostgreSQL database of one test file, on the server that the test run started. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

export class TestDatabase {
  readonly #server = process.env["TEST_DATABASE_URL"] ?? "";
  readonly #home = mkdtempSync(join(tmpdir(), "mainstay-database-"));
  readonly #clients: pg.Client[] = [];
  readonly name = `mainstay_agent_${randomBytes(4).toString("hex")}`;
  /** A role that may log in and do nothing special. */
  readonly role = `${this.name}_app`;
  /** A file with the administrator's URL of this database. */
  readonly urlFile = join(this.#home, "url");

  /** Makes the database and the role. */
  async create(): Promise<void> {
    await this.#onServer(`create database ${this.name}`);
    await this.#onServer(`create role ${this.role} login`);
    writeFileSync(this.urlFile, `${this.#url()}\n`);
  }

  /** As the policy declares it. */
  get declared(): readonly unknown[] {
    return [{ name: "main", urlFile: this.urlFile }];
  }

  /** Runs a statement as the administrator. */
  async query<R extends pg.QueryResultRow>(sql: string): Promise<R[]> {
    const client = await this.session("test");
    try {
      return (await client.query<R>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /** A session that stays until the test ends; as the plain role when `role` is asked for. */
  async session(application: string, role?: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url(role), application_name: application });
    client.on("error", () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  /** Ends the sessions. */
  async endSessions(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.end().catch(() => undefined);
  }

  async drop(): Promise<void> {
    await this.endSessions();
    await this.#onServer(`drop database ${this.name} with (force)`);
    await this.#onServer(`drop role ${this.role}`);
    rmSync(this.#home, { recursive: true });
  }

  #url(role?: string): string {
    const url = new URL(this.#server);
    url.pathname = `/${this.name}`;
    if (role !== undefined) url.username = role;
    return url.href;
  }

  async #onServer(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.#server });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  }
}
