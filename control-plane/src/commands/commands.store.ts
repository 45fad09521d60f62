/** Commands in PostgreSQL. Each change and its journal entry are one transaction. */
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { type CommandId, commandId, type NodeId, nodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { prepared, type Sql, sql } from "../platform/postgres/sql.js";
import {
  type Approval,
  type Command,
  type CommandEvent,
  type CommandState,
  OPEN_STATES,
  type OrderMode,
  type OutputEvent,
  type Plan,
  type Verification,
} from "./domain/command.js";
import { textOf } from "./outputs.store.js";

interface Row {
  command_id: string;
  node_id: string;
  node_name: string;
  action: string;
  arguments: string;
  state: string;
  because: string;
  requested_kind: string;
  requested_name: string;
  reason: string;
  alert_id: string;
  require_approval: boolean;
  traceparent: string;
  requested_at: Date;
  changed_at: Date;
  expires_at: Date;
  timeout_ms: number;
  generation: string;
  plan: StoredPlan | null;
  approved_kind: string | null;
  approved_name: string | null;
  cancel_because: string | null;
  exit_code: number;
  summary: string;
  result: string;
  verification: string;
  sent_session: string | null;
  preview_sequence: number;
  run_sequence: number;
  approvals: Approval[];
  requested_roles: Role[];
  hold: boolean;
  undoes: string;
  undone_by: string;
  attempt: number;
}

type SaidLater = "approvals" | keyof typeof BEFORE_IT_WAS_SAID;
type StoredPlan = Omit<Plan, SaidLater> & Partial<Pick<Plan, SaidLater>>;

/** A plan as it was stored; one of an earlier version says less. */
const toPlan = (stored: StoredPlan): Plan => ({
  ...BEFORE_IT_WAS_SAID,
  approvals: stored.verdict === "ask" ? 1 : 0,
  ...stored,
});

const BEFORE_IT_WAS_SAID = {
  rule: "",
  approver: "approver",
  elicitation: false,
  reach: undefined,
  inverse: { kind: "unknown" },
  effect: "",
  observedHash: "",
  drift: [],
} as const satisfies Partial<Plan>;

function actor(kind: string, name: string): Actor {
  return { kind: kind as Actor["kind"], name };
}

function toCommand(row: Row): Command {
  return {
    id: commandId(row.command_id),
    nodeId: nodeId(row.node_id),
    nodeName: row.node_name,
    action: row.action,
    argumentsJson: row.arguments,
    state: row.state as CommandState,
    because: row.because,
    requestedBy: actor(row.requested_kind, row.requested_name),
    reason: row.reason,
    alertId: row.alert_id,
    requireApproval: row.require_approval,
    traceparent: row.traceparent,
    requestedAt: row.requested_at.getTime(),
    changedAt: row.changed_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    timeoutMs: row.timeout_ms,
    generation: Number(row.generation),
    plan: row.plan === null ? undefined : toPlan(row.plan),
    approvals: row.approvals,
    requestedRoles: row.requested_roles,
    hold: row.hold,
    undoes: row.undoes,
    undoneBy: row.undone_by,
    attempt: row.attempt,
    approvedBy: row.approved_kind === null ? undefined : actor(row.approved_kind, row.approved_name ?? ""),
    cancelBecause: row.cancel_because ?? undefined,
    exitCode: row.exit_code,
    summary: row.summary,
    resultJson: row.result,
    verification: row.verification as Verification,
    sentSession: row.sent_session === null ? undefined : Number(row.sent_session),
    previewSequence: row.preview_sequence,
    runSequence: row.run_sequence,
  };
}

/** A command with the name of its request. */
export interface KeyedCommand {
  readonly command: Command;
  readonly requestKey: string;
}

/** Stores new commands; answers the ids of those whose requests were not stored before. */
export async function insertCommands(
  tx: Transaction,
  keyed: readonly KeyedCommand[],
): Promise<ReadonlySet<string>> {
  const of = <T>(read: (command: Command) => T): readonly T[] => keyed.map(({ command }) => read(command));
  const rows = await tx.query<{ command_id: string }>(
    prepared(sql`
    insert into command (command_id, request_key, node_id, node_name, action, arguments, state, because, requested_kind,
      requested_name, reason, alert_id, require_approval, traceparent, requested_at, changed_at, expires_at, timeout_ms,
      generation, verification, hold, undoes, sent_session, requested_roles)
    select d.command_id, d.request_key, d.node_id, d.node_name, d.action, d.arguments, d.state, d.because,
      d.requested_kind, d.requested_name, d.reason, d.alert_id, d.require_approval, d.traceparent, d.requested_at,
      d.changed_at, d.expires_at, d.timeout_ms, d.generation, d.verification, d.hold, d.undoes, d.sent_session,
      array(select jsonb_array_elements_text(d.requested_roles::jsonb))
    from unnest(${of((c) => c.id)}::text[], ${keyed.map(({ requestKey }) => requestKey)}::text[],
      ${of((c) => c.nodeId)}::text[], ${of((c) => c.nodeName)}::text[], ${of((c) => c.action)}::text[],
      ${of((c) => c.argumentsJson)}::text[], ${of((c) => c.state)}::text[], ${of((c) => c.because)}::text[],
      ${of((c) => c.requestedBy.kind)}::text[], ${of((c) => c.requestedBy.name)}::text[], ${of((c) => c.reason)}::text[],
      ${of((c) => c.alertId)}::text[], ${of((c) => c.requireApproval)}::boolean[], ${of((c) => c.traceparent)}::text[],
      ${of((c) => new Date(c.requestedAt))}::timestamptz[], ${of((c) => new Date(c.changedAt))}::timestamptz[],
      ${of((c) => new Date(c.expiresAt))}::timestamptz[], ${of((c) => c.timeoutMs)}::int[],
      ${of((c) => c.generation)}::bigint[], ${of((c) => c.verification)}::text[], ${of((c) => c.hold)}::boolean[],
      ${of((c) => c.undoes)}::text[], ${of((c) => c.sentSession ?? null)}::bigint[],
      ${of((c) => JSON.stringify(c.requestedRoles))}::text[])
      as d (command_id, request_key, node_id, node_name, action, arguments, state, because, requested_kind,
        requested_name, reason, alert_id, require_approval, traceparent, requested_at, changed_at, expires_at, timeout_ms,
        generation, verification, hold, undoes, sent_session, requested_roles)
    on conflict (request_key) do nothing
    returning command_id`),
  );
  return new Set(rows.map(({ command_id }) => command_id));
}

async function one(db: Queryable, where: Sql): Promise<Command | undefined> {
  const [row] = await db.query<Row>(prepared(sql`select * from command where ${where}`));
  return row && toCommand(row);
}

export function readCommand(db: Queryable, id: CommandId): Promise<Command | undefined> {
  return one(db, sql`command_id = ${id}`);
}

export function readCommandByRequest(db: Queryable, requestKey: string): Promise<Command | undefined> {
  return one(db, sql`request_key = ${requestKey}`);
}

/** The command, locked until the transaction ends. */
export function lockCommand(tx: Transaction, id: CommandId): Promise<Command | undefined> {
  return one(tx, sql`command_id = ${id} for update`);
}

/** Those of these commands that there are, locked until the transaction ends, all in one order. */
export async function lockCommands(tx: Transaction, ids: readonly CommandId[]): Promise<readonly Command[]> {
  const rows = await tx.query<Row>(
    prepared(
      sql`select * from command where command_id = any(${[...ids]}::text[]) order by command_id for update`,
    ),
  );
  return rows.map(toCommand);
}

/** Writes what may change of commands that are locked. */
export async function saveCommands(tx: Transaction, commands: readonly Command[]): Promise<void> {
  if (commands.length === 0) return;
  const of = <T>(read: (command: Command) => T): readonly T[] => commands.map(read);
  await tx.query(
    prepared(sql`
    update command c set state = d.state, because = d.because, changed_at = d.changed_at, generation = d.generation,
      plan = d.plan::jsonb, approved_kind = d.approved_kind, approved_name = d.approved_name,
      cancel_because = d.cancel_because, exit_code = d.exit_code, summary = d.summary, result = d.result,
      sent_session = d.sent_session, preview_sequence = d.preview_sequence, run_sequence = d.run_sequence,
      approvals = d.approvals::jsonb, attempt = d.attempt
    from unnest(${of((c) => c.id)}::text[], ${of((c) => c.state)}::text[], ${of((c) => c.because)}::text[],
      ${of((c) => new Date(c.changedAt))}::timestamptz[], ${of((c) => c.generation)}::bigint[],
      ${of((c) => (c.plan === undefined ? null : JSON.stringify(c.plan)))}::text[],
      ${of((c) => c.approvedBy?.kind ?? null)}::text[], ${of((c) => c.approvedBy?.name ?? null)}::text[],
      ${of((c) => c.cancelBecause ?? null)}::text[], ${of((c) => c.exitCode)}::int[], ${of((c) => c.summary)}::text[],
      ${of((c) => c.resultJson)}::text[], ${of((c) => c.sentSession ?? null)}::bigint[],
      ${of((c) => c.previewSequence)}::int[], ${of((c) => c.runSequence)}::int[],
      ${of((c) => JSON.stringify(c.approvals))}::text[], ${of((c) => c.attempt)}::int[])
      as d (command_id, state, because, changed_at, generation, plan, approved_kind, approved_name, cancel_because,
        exit_code, summary, result, sent_session, preview_sequence, run_sequence, approvals, attempt)
    where c.command_id = d.command_id`),
  );
}

export function saveCommand(tx: Transaction, command: Command): Promise<void> {
  return saveCommands(tx, [command]);
}

/** Notes which command undoes another. */
export async function saveUndoneBy(tx: Transaction, id: CommandId, by: CommandId): Promise<void> {
  await tx.query(sql`update command set undone_by = ${by} where command_id = ${id}`);
}

/** Forgets what was said while an earlier attempt was planned: the next one counts from the beginning. */
export async function forgetPreviews(tx: Transaction, id: CommandId): Promise<void> {
  await tx.query(sql`delete from command_output where command_id = ${id} and mode = 'preview'`);
}

/** A piece of output and the event that brought it. */
export interface OutputPiece {
  readonly event: CommandEvent;
  readonly output: OutputEvent;
}

/** Keeps pieces of output; one that is kept already stays as it is. */
export async function saveOutputs(tx: Transaction, pieces: readonly OutputPiece[]): Promise<void> {
  if (pieces.length === 0) return;
  const of = <T>(read: (piece: OutputPiece) => T): readonly T[] => pieces.map(read);
  await tx.query(
    prepared(sql`
    insert into command_output (command_id, mode, sequence, at, stream, byte_offset, skipped_bytes, data, words)
    select d.command_id, d.mode, d.sequence, d.at, d.stream, d.byte_offset, d.skipped_bytes, d.data,
      to_tsvector('simple', d.words)
    from unnest(${of(({ event }) => event.commandId)}::text[], ${of(({ event }) => event.mode)}::text[],
      ${of(({ event }) => event.sequence)}::int[], ${of(({ event }) => new Date(event.at))}::timestamptz[],
      ${of(({ output }) => output.stream)}::text[], ${of(({ output }) => output.offset)}::bigint[],
      ${of(({ output }) => output.skippedBytes)}::bigint[], ${of(({ output }) => Buffer.from(output.data))}::bytea[],
      ${of(({ event, output }) => (event.mode === "run" ? textOf(output.data) : null))}::text[])
      as d (command_id, mode, sequence, at, stream, byte_offset, skipped_bytes, data, words)
    on conflict do nothing`),
  );
}

/**
 * Notes over which stream the order goes, before it goes. False when the command is no longer in `state`, or has been
 * decided anew.
 */
export async function saveSession(
  db: Queryable,
  { id, generation, state }: Pick<Command, "id" | "generation" | "state">,
  session: number,
): Promise<boolean> {
  const rows = await db.query(sql`
    update command set sent_session = ${session}
    where command_id = ${id} and generation = ${generation} and state = ${state} returning command_id`);
  return rows.length === 1;
}

export async function saveVerification(
  tx: Transaction,
  id: CommandId,
  verification: Verification,
): Promise<void> {
  await tx.query(sql`update command set verification = ${verification} where command_id = ${id}`);
}

export interface StoredOutput extends OutputEvent {
  readonly at: Instant;
  readonly sequence: number;
}

/** What a command printed, in order, after an event's sequence. */
export async function readOutput(
  db: Queryable,
  id: CommandId,
  mode: OrderMode,
  after = 0,
  limit = 1_000,
): Promise<readonly StoredOutput[]> {
  const rows = await db.query<{
    sequence: number;
    at: Date;
    stream: "stdout" | "stderr";
    byte_offset: string;
    skipped_bytes: string;
    data: Buffer;
  }>(sql`
    select sequence, at, stream, byte_offset, skipped_bytes, data from command_output
    where command_id = ${id} and mode = ${mode} and sequence > ${after} order by sequence limit ${limit}`);
  return rows.map((row) => ({
    kind: "output",
    sequence: row.sequence,
    at: row.at.getTime(),
    stream: row.stream,
    offset: Number(row.byte_offset),
    skippedBytes: Number(row.skipped_bytes),
    data: new Uint8Array(row.data),
  }));
}

/** Commands that have not ended, for these nodes or for all. */
export async function readOpen(db: Queryable, nodes?: readonly NodeId[]): Promise<readonly Command[]> {
  const rows = await db.query<Row>(sql`
    select * from command where state = any(${[...OPEN_STATES]})
      and (${nodes === undefined} or node_id = any(${[...(nodes ?? [])]}))
    order by requested_at, command_id limit 10000`);
  return rows.map(toCommand);
}

/** How busy a node is. */
export interface NodeLoad {
  readonly open: number;
  readonly recent: number;
}

/** How busy the nodes of commands are, each less the command that asks; by command. */
export async function countOnNodes(
  db: Queryable,
  asking: readonly Command[],
  since: Instant,
): Promise<Map<string, NodeLoad>> {
  const rows = await db.query<NodeLoad & { command_id: string }>(
    prepared(sql`
    select d.command_id, n.open, n.recent
    from unnest(${asking.map(({ id }) => id)}::text[], ${asking.map((c) => c.nodeId)}::text[]) as d (command_id, node_id)
    cross join lateral (
      select count(*) filter (where c.state in ('approved', 'sent', 'running'))::int as open,
        count(*) filter (where c.requested_at >= ${new Date(since)} and c.plan is not null
          and c.state not in ('awaiting-approval', 'refused', 'planning', 'planned'))::int as recent
      from command c where c.node_id = d.node_id and c.command_id <> d.command_id
        and (c.requested_at >= ${new Date(since)} or c.state in ('approved', 'sent', 'running'))) n`),
  );
  return new Map(rows.map(({ command_id, open, recent }) => [command_id, { open, recent }]));
}

export interface CommandFilter {
  readonly nodeId?: string;
  readonly state?: CommandState;
  readonly alertId?: string;
  readonly before?: { readonly requestedAt: Instant; readonly id: string };
  readonly limit: number;
}

/** Commands, newest first. */
export async function readCommands(db: Queryable, filter: CommandFilter): Promise<readonly Command[]> {
  const before = filter.before;
  const rows = await db.query<Row>(sql`
    select * from command
    where (${filter.nodeId ?? ""} = '' or node_id = ${filter.nodeId ?? ""} or node_name = ${filter.nodeId ?? ""})
      and (${filter.state ?? ""} = '' or state = ${filter.state ?? ""})
      and (${filter.alertId ?? ""} = '' or alert_id = ${filter.alertId ?? ""})
      and (${before === undefined} or (requested_at, command_id) < (${new Date(before?.requestedAt ?? 0)}, ${before?.id ?? ""}))
    order by requested_at desc, command_id desc limit ${filter.limit}`);
  return rows.map(toCommand);
}

/** The commands with these ids, those that there are. */
export async function readCommandsById(db: Queryable, ids: readonly string[]): Promise<readonly Command[]> {
  if (ids.length === 0) return [];
  const rows = await db.query<Row>(sql`select * from command where command_id = any(${[...ids]}::text[])`);
  return rows.map(toCommand);
}
