/**
 * Applies migrations/*.sql once, in order, safely from many replicas.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { OpsError } from "../../kernel/errors.js";
import { sha256Hex } from "../system.js";
import type { Database } from "./database.js";
import { sql } from "./sql.js";

/** The advisory lock under which replicas take turns. */
const MIGRATION_LOCK = 7_301_001;

/**
 * Brings the schema up to the files in `directory` (`0001_name.sql`, ...), each in its own transaction.
 * Throws FAILED_PRECONDITION when an applied file has been changed since, or the database knows a newer file than
 * this build does. Returns the names that were applied now.
 */
export async function migrate(database: Database, directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  const applied: string[] = [];
  await database.query(sql`
    create table if not exists migration (
      name text primary key, digest text not null, applied_at timestamptz not null default now())`);
  for (const name of names) {
    const text = await readFile(join(directory, name), "utf8");
    const digest = sha256Hex(text);
    await database.transaction(async (tx) => {
      await tx.query(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      const [known] = await tx.query<{ digest: string }>(
        sql`select digest from migration where name = ${name}`,
      );
      if (known !== undefined) {
        if (known.digest === digest) return;
        throw new OpsError("FAILED_PRECONDITION", `migrate: ${name} was changed after it had been applied`, {
          name,
        });
      }
      await tx.query({ text, values: [] });
      await tx.query(sql`insert into migration (name, digest) values (${name}, ${digest})`);
      applied.push(name);
    });
  }
  const rows = await database.query<{ name: string }>(sql`select name from migration order by name`);
  const unknown = rows.find((row) => !names.includes(row.name));
  if (unknown !== undefined) {
    throw new OpsError(
      "FAILED_PRECONDITION",
      `migrate: the database is newer than this build: it has ${unknown.name}`,
      {
        name: unknown.name,
      },
    );
  }
  return applied;
}
