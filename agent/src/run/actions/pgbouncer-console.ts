/** PgBouncer's admin console: what it says of its databases and settings. It speaks the simple protocol only. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Client } from "pg";
import type { ActionContext } from "../action.js";
import type { DeclaredBouncer } from "../permits/pgbouncer.js";
import { declared } from "../verdict.js";
import { withDatabase } from "./database-session.js";

/** A database as PgBouncer has it. */
export interface BouncedDatabase {
  readonly name: string;
  readonly paused: boolean;
  /** Connections to the server now. */
  readonly connections: number;
}

/** The declared PgBouncer of that name; undefined when there is none. */
export function bouncerOf(name: string, { policy }: ActionContext): DeclaredBouncer | undefined {
  return declared(policy.pgbouncer?.bouncers, name);
}

/** Speaks with the console. Throws what the driver throws. */
export function onConsole<T>(
  bouncer: DeclaredBouncer,
  act: (client: Client) => Promise<T>,
  waitMs = 5_000,
): Promise<T> {
  return withDatabase(bouncer, act, { plain: true, statementMs: waitMs });
}

/** All databases that clients may ask for, without the console itself. */
export async function databasesOf(client: Client): Promise<BouncedDatabase[]> {
  const { rows } = await client.query<Record<string, unknown>>("SHOW DATABASES");
  return rows
    .map((row) => ({
      name: String(row["name"]),
      paused: Number(row["paused"]) === 1,
      connections: Number(row["current_connections"]),
    }))
    .filter(({ name }) => name !== "pgbouncer");
}

/** Its settings, by name. */
async function settingsOf(client: Client): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<Record<string, unknown>>("SHOW CONFIG");
  return new Map(rows.map((row) => [String(row["key"]), String(row["value"])]));
}

/** Names of its databases, and its settings. */
export interface Both {
  readonly databases: readonly string[];
  readonly settings: ReadonlyMap<string, string>;
}

/** Looks at both. */
export async function lookAtBoth(client: Client): Promise<Both> {
  const databases = (await databasesOf(client)).map(({ name }) => name).sort();
  return { databases, settings: await settingsOf(client) };
}

/** What of a configuration file a reload is judged by. */
export interface BouncerFile {
  readonly sha256: string;
  /** Names of the section [databases], without the fallback `*`. */
  readonly databases: readonly string[];
}

/** Reads a configuration. What it includes is not followed. */
export async function readBouncerFile(path: string): Promise<BouncerFile> {
  const text = await readFile(path, "utf8");
  let section = "";
  const databases: string[] = [];
  for (const line of text.split("\n")) {
    const head = /^\s*\[(\w+)\]/.exec(line);
    if (head !== null) section = head[1] ?? "";
    const name = /^\s*("?)([^\s"=;#*%]+)\1\s*=/.exec(line)?.[2];
    if (section === "databases" && head === null && name !== undefined) databases.push(name);
  }
  return { sha256: createHash("sha256").update(text).digest("hex"), databases };
}
