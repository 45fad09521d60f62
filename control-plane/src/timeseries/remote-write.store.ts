/** How far another engine has been written to: kept in PostgreSQL beside the chunks, so that any replica goes on. */
import type { Database, Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";

export interface RemotePosition {
  readonly throughChunk: number;
  readonly samplesTaken: number;
  readonly samplesRefused: number;
  readonly chunksLost: number;
}

/** Chunks that wait to be written. */
export interface RemoteBacklog {
  readonly chunks: number;
  readonly samples: number;
  /** The newest of them; 0 when there is none. */
  readonly newest: number;
}

interface Row {
  readonly through_chunk: string;
  readonly samples_taken: string;
  readonly samples_refused: string;
  readonly chunks_lost: string;
}

const toPosition = (row: Row): RemotePosition => ({
  throughChunk: Number(row.through_chunk),
  samplesTaken: Number(row.samples_taken),
  samplesRefused: Number(row.samples_refused),
  chunksLost: Number(row.chunks_lost),
});

/** The engine's position; one that is new begins with the chunks from now on. */
export async function openPosition(db: Queryable, engine: string): Promise<RemotePosition> {
  await db.query(sql`
    insert into remote_write (engine, through_chunk, changed_at)
    select ${engine}, coalesce(max(chunk_id), 0), clock_timestamp() from metric_chunk
    on conflict (engine) do nothing`);
  const [row] = await db.query<Row>(sql`select * from remote_write where engine = ${engine}`);
  return row === undefined
    ? { throughChunk: 0, samplesTaken: 0, samplesRefused: 0, chunksLost: 0 }
    : toPosition(row);
}

/** Moves on; `mayWrite` is asked in the same transaction, so that a replica that leads no more moves nothing. */
export async function savePosition(
  database: Database,
  engine: string,
  position: RemotePosition,
  mayWrite: (tx: Queryable) => Promise<boolean>,
): Promise<boolean> {
  return database.transaction(async (tx) => {
    if (!(await mayWrite(tx))) return false;
    await tx.query(sql`
      update remote_write set through_chunk = ${position.throughChunk}, samples_taken = ${position.samplesTaken},
        samples_refused = ${position.samplesRefused}, chunks_lost = ${position.chunksLost}, changed_at = clock_timestamp()
      where engine = ${engine} and through_chunk <= ${position.throughChunk}`);
    return true;
  });
}

/** What lies behind the position, up to a chunk. Bounded by the chunks' retention. */
export async function readBacklog(
  db: Queryable,
  throughChunk: number,
  upTo = Number.MAX_SAFE_INTEGER,
): Promise<RemoteBacklog> {
  const [row] = await db.query<{ chunks: string; samples: string; newest: string }>(sql`
    select count(*) as chunks, coalesce(sum(samples), 0) as samples, coalesce(max(chunk_id), 0) as newest
    from metric_chunk where chunk_id > ${throughChunk} and chunk_id <= ${upTo}`);
  return {
    chunks: Number(row?.chunks ?? 0),
    samples: Number(row?.samples ?? 0),
    newest: Number(row?.newest ?? 0),
  };
}
