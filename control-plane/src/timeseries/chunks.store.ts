/**
 * Chunks in PostgreSQL: one row for each node and stretch, in partitions by day.
 */
import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import { OpsError } from "../kernel/errors.js";
import { DAY, type Instant } from "../kernel/time.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import { type Sql, sql } from "../platform/postgres/sql.js";
import { dayOf } from "./hot-chunks.js";
import type { CollectedChunk, StoredChunk } from "./store-protocol.js";

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

const CODING_PLAIN = 0;
const CODING_DEFLATE = 1;
/** No stored piece unpacks to more: what does is damaged. */
const UNPACKED_MAX = 256 * 1024 * 1024;
/** Two replicas must not make the same partition at once. */
const PARTITION_LOCK = 7_301_004;

/** How far an outbox is durable. */
export interface Position {
  readonly outboxId: string;
  readonly throughSequence: number;
}

/** A chunk as read back. */
export interface ReadChunk extends StoredChunk {
  readonly day: number;
}

/** Which chunks. */
export interface ChunkRange {
  /** Chunks that may hold samples from here to there. */
  readonly from: Instant;
  readonly to: Instant;
  /** Longest stretch of one chunk: nothing that begins earlier than `from` less this reaches into the range. */
  readonly spanMax: number;
  /** Chunks of nodes by these names only; undefined: of all. */
  readonly nodeNames: readonly string[] | undefined;
}

/** A chunk that is there to be read. */
export interface FoundChunk {
  readonly id: string;
  /** As stored. */
  readonly bytes: number;
}

interface Packed {
  readonly coding: number;
  readonly bytes: Buffer;
}

/** Names shrink to a tenth. */
async function pack(json: string): Promise<Packed> {
  return { coding: CODING_DEFLATE, bytes: await deflate(json) };
}

/**
 * Blocks are compressed already: deflating them again took three times the time of all else about them, for 3 to 8 %.
 * The coding is kept with each chunk, so that another can be chosen one day.
 */
function asStored(bytes: Uint8Array): Packed {
  return { coding: CODING_PLAIN, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

async function unpack(coding: number, bytes: Buffer): Promise<Uint8Array<ArrayBuffer>> {
  const unpacked =
    coding === CODING_DEFLATE ? await inflate(bytes, { maxOutputLength: UNPACKED_MAX }) : bytes;
  // Small buffers share one pool: a copy of its own can be given to another thread.
  return Uint8Array.from(unpacked);
}

export class ChunkStore {
  readonly #database: Database;
  readonly #mayWrite: (tx: Queryable) => Promise<boolean>;
  readonly #knownDays = new Set<number>();

  /** `mayWrite` is asked in each writing transaction: what a replica that leads no more has in memory is another's to write. */
  constructor(database: Database, mayWrite: (tx: Queryable) => Promise<boolean> = async () => true) {
    this.#database = database;
    this.#mayWrite = mayWrite;
  }

  /**
   * Writes chunks, names and positions in one transaction; all or nothing. Returns the bytes of chunks written.
   * Throws OpsError UNAVAILABLE or RESOURCE_EXHAUSTED when PostgreSQL is away or full, ABORTED when it may not write.
   */
  async write(items: readonly CollectedChunk[]): Promise<number> {
    const chunks = items.flatMap((item) => (item.chunk === undefined ? [] : [{ item, chunk: item.chunk }]));
    const packed = chunks.map(({ chunk }) => asStored(chunk.parts));
    const names = chunks.flatMap(({ chunk }) =>
      chunk.names.map(([digest, json]) => ({ day: dayOf(chunk.from), digest, json })),
    );
    // One after the other: each begins with work of its own on this thread, and a fleet's first names come at once.
    const packedNames: Packed[] = [];
    for (const { json } of names) packedNames.push(await pack(json));
    await this.ensureDays(chunks.map(({ chunk }) => dayOf(chunk.from)));
    await this.#database.transaction(async (tx) => {
      if (!(await this.#mayWrite(tx)))
        throw new OpsError("ABORTED", "another replica writes the samples now");
      if (names.length > 0) {
        await tx.query(sql`
          insert into metric_layout (day, digest, coding, names)
          select * from unnest(
            ${names.map(({ day }) => day)}::integer[], ${names.map(({ digest }) => digest)}::text[],
            ${packedNames.map(({ coding }) => coding)}::smallint[], ${packedNames.map(({ bytes }) => bytes)}::bytea[])
          on conflict do nothing`);
      }
      if (chunks.length > 0) {
        await tx.query(sql`
          insert into metric_chunk (from_time, to_time, node_id, node_name, outbox_id, from_sequence, through_sequence,
            samples, layouts, coding, parts)
          select to_timestamp(from_ms / 1000), to_timestamp(to_ms / 1000), node_id, node_name, outbox_id, from_sequence,
            through_sequence, samples, string_to_array(layouts, ','), coding, parts
          from unnest(
            ${chunks.map(({ chunk }) => chunk.from)}::double precision[],
            ${chunks.map(({ chunk }) => chunk.to)}::double precision[],
            ${chunks.map(({ item }) => item.node)}::text[],
            ${chunks.map(({ item }) => item.name)}::text[],
            ${chunks.map(({ item }) => item.outboxId)}::text[],
            ${chunks.map(({ item }) => item.fromSequence)}::bigint[],
            ${chunks.map(({ item }) => item.throughSequence)}::bigint[],
            ${chunks.map(({ chunk }) => chunk.samples)}::integer[],
            ${chunks.map(({ chunk }) => chunk.digests.join(","))}::text[],
            ${packed.map(({ coding }) => coding)}::smallint[],
            ${packed.map(({ bytes }) => bytes)}::bytea[])
            as given (from_ms, to_ms, node_id, node_name, outbox_id, from_sequence, through_sequence, samples, layouts,
              coding, parts)`);
      }
      const positions = items.filter((item) => item.outboxId !== "");
      await tx.query(sql`
        insert into metric_position as p (node_id, outbox_id, through_sequence)
        select * from unnest(
          ${positions.map((item) => item.node)}::text[], ${positions.map((item) => item.outboxId)}::text[],
          ${positions.map((item) => item.throughSequence)}::bigint[])
        on conflict (node_id) do update set outbox_id = excluded.outbox_id, through_sequence = excluded.through_sequence
        where p.outbox_id <> excluded.outbox_id or p.through_sequence < excluded.through_sequence`);
    });
    return packed.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** How far the node's outbox is durable. */
  async position(node: string): Promise<Position | undefined> {
    const [row] = await this.#database.query<{ outbox_id: string; through_sequence: string }>(sql`
      select outbox_id, through_sequence from metric_position where node_id = ${node}`);
    return row && { outboxId: row.outbox_id, throughSequence: Number(row.through_sequence) };
  }

  /** Which chunks there are, in the order they were written. */
  async find(range: ChunkRange): Promise<readonly FoundChunk[]> {
    const byName =
      range.nodeNames === undefined
        ? sql`true`
        : sql`node_name = any(${range.nodeNames as string[]}::text[])`;
    return this.#database.query<FoundChunk & object>(sql`
      select chunk_id as id, octet_length(parts) as bytes from metric_chunk
      where ${mayHold(range)} and to_time >= to_timestamp(${range.from / 1_000}::double precision) and ${byName}
      order by chunk_id`);
  }

  /** Some of the chunks that were found in `range`, in the order they were written. */
  async read(range: ChunkRange, ids: readonly string[]): Promise<readonly ReadChunk[]> {
    const rows = await this.#database.query<{
      day: number;
      node_id: string;
      layouts: string[];
      coding: number;
      parts: Buffer;
    }>(sql`
      select floor(extract(epoch from from_time) / 86400)::integer as day, node_id, layouts, coding, parts
      from metric_chunk where chunk_id = any(${ids as string[]}::bigint[]) and ${mayHold(range)}
      order by chunk_id`);
    return Promise.all(
      rows.map(async (row) => ({
        day: row.day,
        node: row.node_id,
        digests: row.layouts,
        parts: await unpack(row.coding, row.parts),
      })),
    );
  }

  /** The next chunks after one, in the order they were written; at least one, and together no more than `bytesMax`. */
  async after(
    id: number,
    rowsMax: number,
    bytesMax: number,
  ): Promise<readonly (ReadChunk & { readonly id: number })[]> {
    const sizes = await this.#database.query<FoundChunk & object>(sql`
      select chunk_id as id, octet_length(parts) as bytes from metric_chunk where chunk_id > ${id}
      order by chunk_id limit ${rowsMax}`);
    const ids: string[] = [];
    let bytes = 0;
    for (const chunk of sizes) {
      if (ids.length > 0 && bytes + chunk.bytes > bytesMax) break;
      ids.push(chunk.id);
      bytes += chunk.bytes;
    }
    if (ids.length === 0) return [];
    const rows = await this.#database.query<{
      id: string;
      day: number;
      node_id: string;
      layouts: string[];
      coding: number;
      parts: Buffer;
    }>(sql`
      select chunk_id as id, floor(extract(epoch from from_time) / 86400)::integer as day, node_id, layouts, coding, parts
      from metric_chunk where chunk_id = any(${ids}::bigint[]) order by chunk_id`);
    return Promise.all(
      rows.map(async (row) => ({
        id: Number(row.id),
        day: row.day,
        node: row.node_id,
        digests: row.layouts,
        parts: await unpack(row.coding, row.parts),
      })),
    );
  }

  /** Names of layouts as JSON, by digest. */
  async names(days: readonly number[], digests: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#database.query<{ digest: string; coding: number; names: Buffer }>(sql`
      select distinct on (digest) digest, coding, names from metric_layout
      where day = any(${days as number[]}::integer[]) and digest = any(${digests as string[]}::text[])
      order by digest`);
    const read = await Promise.all(
      rows.map(
        async (row): Promise<[string, string]> => [
          row.digest,
          Buffer.from(await unpack(row.coding, row.names)).toString("utf8"),
        ],
      ),
    );
    return new Map(read);
  }

  /** Makes the partitions of these days. */
  async ensureDays(days: readonly number[]): Promise<void> {
    for (const day of new Set(days)) {
      if (this.#knownDays.has(day)) continue;
      for (const partition of partitionsOf(day))
        await this.#alter(partition.name, "missing", partition.create);
      this.#knownDays.add(day);
    }
  }

  /** Drops the partitions of days before `day`; returns which. */
  async dropDaysBefore(day: number): Promise<readonly number[]> {
    const old = (await partitionDays(this.#database)).filter((each) => each < day);
    for (const each of old) {
      this.#knownDays.delete(each);
      for (const partition of partitionsOf(each)) await this.#alter(partition.name, "there", partition.drop);
    }
    return old;
  }

  /**
   * Runs `statement` if the partition is there or missing. Each in a transaction of its own: it locks the whole table,
   * and one that held two of them would sooner or later wait for a writer that waits for it. Looking first spares that
   * lock; what is seen may be a moment old, so the statements themselves take either case.
   */
  async #alter(partition: string, when: "there" | "missing", statement: string): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.query(sql`select pg_advisory_xact_lock(${PARTITION_LOCK})`);
      const [found] = await tx.query<{ there: boolean }>(
        sql`select to_regclass(${partition}) is not null as there`,
      );
      if (found?.there === (when === "there")) await tx.query({ text: statement, values: [] });
    });
  }
}

/** On the partition key alone, so that only the days in question are looked at. */
function mayHold({ from, to, spanMax }: ChunkRange): Sql {
  return sql`from_time >= to_timestamp(${(from - spanMax) / 1_000}::double precision)
    and from_time <= to_timestamp(${to / 1_000}::double precision)`;
}

interface Partition {
  readonly name: string;
  readonly create: string;
  readonly drop: string;
}

/** A day's partitions. The numbers are ours, so they may stand in the text; bounds take no parameters. */
function partitionsOf(day: number): readonly Partition[] {
  const from = new Date(day * DAY).toISOString();
  const to = new Date((day + 1) * DAY).toISOString();
  return [
    partition("metric_layout", day, `from (${day}) to (${day + 1})`),
    partition("metric_chunk", day, `from ('${from}') to ('${to}')`),
  ];
}

function partition(table: string, day: number, bounds: string): Partition {
  const name = `${table}_${day}`;
  return {
    name,
    create: `create table if not exists ${name} partition of ${table} for values ${bounds}`,
    drop: `drop table if exists ${name}`,
  };
}

async function partitionDays(db: Queryable): Promise<readonly number[]> {
  const rows = await db.query<{ name: string }>(sql`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('metric_chunk'::regclass, 'metric_layout'::regclass)`);
  const days = rows.map((row) => Number(row.name.slice(row.name.lastIndexOf("_") + 1)));
  return [...new Set(days.filter((day) => Number.isInteger(day)))].sort((a, b) => a - b);
}
