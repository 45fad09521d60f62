/** The words of kept output, in PostgreSQL. */
import type { Instant } from "../kernel/time.js";
import type { Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";

/** What is looked for; empty texts look for nothing in particular. */
export interface OutputSearch {
  readonly query: string;
  readonly node: string;
  readonly action: string;
  readonly commandId: string;
  readonly since: Instant | undefined;
  readonly until: Instant | undefined;
  readonly limit: number;
}

/** A piece that holds the words. */
export interface FoundOutput {
  readonly commandId: string;
  readonly nodeName: string;
  readonly action: string;
  readonly stream: string;
  readonly offset: number;
  readonly at: Instant;
  readonly text: string;
}

/** The text of a piece. A character that was cut in two at its edge is shown as one that cannot be. */
export function textOf(data: Uint8Array): string {
  return new TextDecoder().decode(data).replaceAll("\0", " ");
}

export async function searchOutput(db: Queryable, wish: OutputSearch): Promise<readonly FoundOutput[]> {
  const { query, node, action, commandId, since, until, limit } = wish;
  const rows = await db.query<{
    command_id: string;
    node_name: string;
    action: string;
    stream: string;
    byte_offset: string;
    at: Date;
    data: Buffer;
  }>(sql`
    select o.command_id, c.node_name, c.action, o.stream, o.byte_offset, o.at, o.data
    from command_output o join command c using (command_id)
    where o.words @@ websearch_to_tsquery('simple', ${query})
      and (${node}::text = '' or c.node_id = ${node} or c.node_name = ${node})
      and (${action}::text = '' or c.action = ${action})
      and (${commandId}::text = '' or o.command_id = ${commandId})
      and o.at >= ${since === undefined ? "-infinity" : new Date(since)}::timestamptz
      and o.at <= ${until === undefined ? "infinity" : new Date(until)}::timestamptz
    order by o.at desc, o.command_id, o.sequence desc limit ${limit}`);
  return rows.map((row) => ({
    commandId: row.command_id,
    nodeName: row.node_name,
    action: row.action,
    stream: row.stream,
    offset: Number(row.byte_offset),
    at: row.at.getTime(),
    text: textOf(row.data),
  }));
}
