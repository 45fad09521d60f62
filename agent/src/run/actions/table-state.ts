/** A table and its indexes as PostgreSQL's catalogues have them. Only looks. */
import type { Client } from "pg";
import { exactTime } from "./database-session.js";

/** A table. Bytes are without its indexes; times are UTC with microseconds, null for never. Rows are estimates. */
export interface TableState {
  readonly oid: number;
  readonly bytes: number;
  readonly liveRows: number;
  readonly deadRows: number;
  readonly lastVacuum: string | null;
  readonly lastAnalyze: string | null;
}

/** An index; `file` changes when it is built anew. */
export interface TableIndex {
  readonly oid: number;
  readonly name: string;
  readonly bytes: number;
  readonly valid: boolean;
  readonly file: number;
}

/** A table by its name; undefined when there is none. */
export async function findTable(
  client: Client,
  schema: string,
  table: string,
): Promise<TableState | undefined> {
  // What this session has done is told to the statistics with a delay of its own; it is asked for at once.
  await client.query("SELECT pg_stat_force_next_flush()");
  const { rows } = await client.query<TableState>(
    `SELECT c.oid::int8::float8 AS oid, pg_table_size(c.oid)::float8 AS bytes,
            coalesce(s.n_live_tup, 0)::float8 AS "liveRows", coalesce(s.n_dead_tup, 0)::float8 AS "deadRows",
            ${exactTime("s.last_vacuum")} AS "lastVacuum", ${exactTime("s.last_analyze")} AS "lastAnalyze"
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
      WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'm', 'p')`,
    [schema, table],
  );
  return rows[0];
}

/** A table's indexes, by name. */
export async function indexesOf(client: Client, schema: string, table: string): Promise<TableIndex[]> {
  const { rows } = await client.query<TableIndex>(
    `SELECT i.indexrelid::int8::float8 AS oid, ic.relname AS name, pg_relation_size(i.indexrelid)::float8 AS bytes,
            i.indisvalid AS valid, pg_relation_filenode(i.indexrelid)::int8::float8 AS file
       FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2
      ORDER BY ic.relname LIMIT 1000`,
    [schema, table],
  );
  return rows;
}
