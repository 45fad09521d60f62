/** Commands in PostgreSQL. Each change and its journal entry are one transaction. */
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { type CommandId, commandId, type NodeId, nodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { type Sql, sql } from "../platform/postgres/sql.js";
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

/** Stores a new command; undefined when this request was stored before. */
export async function insertCommand(tx: Transaction, command: Command, requestKey: string): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into command (command_id, request_key, node_id, node_name, action, arguments, state, because, requested_kind,
      requested_name, reason, alert_id, require_approval, traceparent, requested_at, changed_at, expires_at, timeout_ms,
      generation, verification, requested_roles, hold, undoes)
    values (${command.id}, ${requestKey}, ${command.nodeId}, ${command.nodeName}, ${command.action}, ${command.argumentsJson},
      ${command.state}, ${command.because}, ${command.requestedBy.kind}, ${command.requestedBy.name}, ${command.reason},
      ${command.alertId}, ${command.requireApproval}, ${command.traceparent}, ${new Date(command.requestedAt)},
      ${new Date(command.changedAt)}, ${new Date(command.expiresAt)}, ${command.timeoutMs}, ${command.generation},
      ${command.verification}, ${[...command.requestedRoles]}, ${command.hold}, ${command.undoes})
    on conflict (request_key) do nothing
    returning command_id`);
  return rows.length === 1;
}

async function one(db: Queryable, where: Sql): Promise<Command | undefined> {
  const [row] = await db.query<Row>(sql`select * from command where ${where}`);
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

/** Writes what may change of a command that is locked. */
export async function saveCommand(tx: Transaction, command: Command): Promise<void> {
  await tx.query(sql`
    update command set state = ${command.state}, because = ${command.because},
      changed_at = ${new Date(command.changedAt)}, generation = ${command.generation},
      plan = ${command.plan === undefined ? null : JSON.stringify(command.plan)}::jsonb,
      approved_kind = ${command.approvedBy?.kind ?? null}, approved_name = ${command.approvedBy?.name ?? null},
      cancel_because = ${command.cancelBecause ?? null}, exit_code = ${command.exitCode},
      summary = ${command.summary}, result = ${command.resultJson}, sent_session = ${command.sentSession ?? null},
      preview_sequence = ${command.previewSequence}, run_sequence = ${command.runSequence},
      approvals = ${JSON.stringify(command.approvals)}::jsonb, attempt = ${command.attempt}
    where command_id = ${command.id}`);
}

/** Notes which command undoes another. */
export async function saveUndoneBy(tx: Transaction, id: CommandId, by: CommandId): Promise<void> {
  await tx.query(sql`update command set undone_by = ${by} where command_id = ${id}`);
}

/** Forgets what was said while an earlier attempt was planned: the next one counts from the beginning. */
export async function forgetPreviews(tx: Transaction, id: CommandId): Promise<void> {
  await tx.query(sql`delete from command_output where command_id = ${id} and mode = 'preview'`);
}

/** Keeps a piece of output; one that is kept already stays as it is. */
export async function saveOutput(tx: Transaction, event: CommandEvent, output: OutputEvent): Promise<void> {
  await tx.query(sql`
    insert into command_output (command_id, mode, sequence, at, stream, byte_offset, skipped_bytes, data, words)
    values (${event.commandId}, ${event.mode}, ${event.sequence}, ${new Date(event.at)}, ${output.stream},
      ${output.offset}, ${output.skippedBytes}, ${Buffer.from(output.data)},
      to_tsvector('simple', ${event.mode === "run" ? textOf(output.data) : null}))
    on conflict do nothing`);
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

/** How busy a node is, less the command that asks. */
export async function countOnNode(
  db: Queryable,
  node: NodeId,
  except: CommandId,
  since: Instant,
): Promise<{ readonly open: number; readonly recent: number }> {
  const [row] = await db.query<{ open: number; recent: number }>(sql`
    select count(*) filter (where state in ('approved', 'sent', 'running'))::int as open,
      count(*) filter (where requested_at >= ${new Date(since)} and plan is not null
        and state not in ('awaiting-approval', 'refused', 'planning', 'planned'))::int as recent
    from command where node_id = ${node} and command_id <> ${except}
      and (requested_at >= ${new Date(since)} or state in ('approved', 'sent', 'running'))`);
  return row ?? { open: 0, recent: 0 };
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
