/** Rollouts and their targets in PostgreSQL. */
import type { Approval } from "../commands/domain/command.js";
import type { ApproverRole } from "../commands/domain/policy.js";
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { nodeId } from "../kernel/ids.js";
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { type Sql, sql } from "../platform/postgres/sql.js";
import type { Rollout, RolloutSpec, RolloutState, Target, TargetState } from "./domain/rollout.js";

interface Row {
  rollout_id: string;
  spec: RolloutSpec;
  state: RolloutState;
  because: string;
  requested_kind: string;
  requested_name: string;
  requested_roles: string[];
  requested_at: Date;
  changed_at: Date;
  expires_at: Date;
  traceparent: string;
  plan_hash: string;
  approvals: number;
  approver: ApproverRole;
  approved_by: Approval[];
  applied_by: Actor | null;
  wave: number;
  waves: number;
  started_at: Date | null;
  gate_from: Date | null;
  gate_since: Date | null;
  forgiven: number;
  held_because: string;
}

function toRollout(row: Row): Rollout {
  return {
    id: row.rollout_id,
    spec: row.spec,
    state: row.state,
    because: row.because,
    requestedBy: { kind: row.requested_kind as Actor["kind"], name: row.requested_name },
    requestedRoles: row.requested_roles as Role[],
    requestedAt: row.requested_at.getTime(),
    changedAt: row.changed_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    traceparent: row.traceparent,
    planHash: row.plan_hash,
    approvals: row.approvals,
    approver: row.approver,
    approvedBy: row.approved_by,
    appliedBy: row.applied_by ?? undefined,
    wave: row.wave,
    waves: row.waves,
    startedAt: row.started_at?.getTime(),
    gateFrom: row.gate_from?.getTime(),
    gateSince: row.gate_since?.getTime(),
    forgiven: row.forgiven,
    heldBecause: row.held_because,
  };
}

const date = (at: Instant | undefined): Date | null => (at === undefined ? null : new Date(at));

/** Stores a new rollout with its targets; false when this request was stored before. */
export async function insertRollout(
  tx: Transaction,
  rollout: Rollout,
  requestKey: string,
  targets: readonly Target[],
): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into rollout (rollout_id, request_key, spec, state, because, requested_kind, requested_name, requested_roles,
      requested_at, changed_at, expires_at, traceparent)
    values (${rollout.id}, ${requestKey}, ${JSON.stringify(rollout.spec)}::jsonb, ${rollout.state}, ${rollout.because},
      ${rollout.requestedBy.kind}, ${rollout.requestedBy.name}, ${[...rollout.requestedRoles]}::text[],
      ${new Date(rollout.requestedAt)}, ${new Date(rollout.changedAt)}, ${new Date(rollout.expiresAt)},
      ${rollout.traceparent})
    on conflict (request_key) do nothing returning rollout_id`);
  if (rows.length === 0) return false;
  await tx.query(sql`
    insert into rollout_target (rollout_id, node_id, node_name, labels, state)
    select ${rollout.id}, t.node_id, t.node_name, t.labels::jsonb, 'planning'
    from unnest(${targets.map((t) => t.nodeId)}::text[], ${targets.map((t) => t.nodeName)}::text[],
      ${targets.map((t) => JSON.stringify(t.labels))}::text[]) as t (node_id, node_name, labels)`);
  return true;
}

async function one(db: Queryable, where: Sql): Promise<Rollout | undefined> {
  const [row] = await db.query<Row>(sql`select * from rollout where ${where}`);
  return row && toRollout(row);
}

export function readRollout(db: Queryable, id: string): Promise<Rollout | undefined> {
  return one(db, sql`rollout_id = ${id}`);
}

export function readRolloutByRequest(db: Queryable, requestKey: string): Promise<Rollout | undefined> {
  return one(db, sql`request_key = ${requestKey}`);
}

/** The rollout, locked until the transaction ends. */
export function lockRollout(tx: Transaction, id: string): Promise<Rollout | undefined> {
  return one(tx, sql`rollout_id = ${id} for update`);
}

/** Rollouts in which something may happen by itself. */
export async function readMoving(db: Queryable): Promise<readonly string[]> {
  const rows = await db.query<{ rollout_id: string }>(sql`
    select rollout_id from rollout where not at_rest order by requested_at limit 100`);
  return rows.map((row) => row.rollout_id);
}

export async function readTargets(db: Queryable, id: string): Promise<readonly Target[]> {
  const rows = await db.query<{
    node_id: string;
    node_name: string;
    labels: Labels;
    wave: number;
    state: TargetState;
    because: string;
    command_id: string;
    plan_hash: string;
    plan_summary: string;
    approvals: number;
    approver: ApproverRole;
  }>(sql`
    select node_id, node_name, labels, wave, state, because, command_id, plan_hash, plan_summary, approvals, approver
    from rollout_target where rollout_id = ${id} order by wave, node_name, node_id`);
  return rows.map((row) => ({
    nodeId: nodeId(row.node_id),
    nodeName: row.node_name,
    labels: row.labels,
    wave: row.wave,
    state: row.state,
    because: row.because,
    commandId: row.command_id,
    planHash: row.plan_hash,
    planSummary: row.plan_summary,
    approvals: row.approvals,
    approver: row.approver,
  }));
}

/** Writes what may change of a rollout that is locked. */
export async function saveRollout(tx: Transaction, rollout: Rollout, atRest: boolean): Promise<void> {
  await tx.query(sql`
    update rollout set state = ${rollout.state}, because = ${rollout.because},
      changed_at = ${new Date(rollout.changedAt)}, plan_hash = ${rollout.planHash}, approvals = ${rollout.approvals},
      approver = ${rollout.approver},
      approved_by = ${JSON.stringify(rollout.approvedBy)}::jsonb,
      applied_by = ${rollout.appliedBy === undefined ? null : JSON.stringify(rollout.appliedBy)}::jsonb,
      wave = ${rollout.wave}, waves = ${rollout.waves}, started_at = ${date(rollout.startedAt)},
      gate_from = ${date(rollout.gateFrom)}, gate_since = ${date(rollout.gateSince)}, forgiven = ${rollout.forgiven},
      held_because = ${rollout.heldBecause}, at_rest = ${atRest}
    where rollout_id = ${rollout.id}`);
}

export async function saveTargets(tx: Transaction, id: string, targets: readonly Target[]): Promise<void> {
  if (targets.length === 0) return;
  await tx.query(sql`
    update rollout_target r set wave = t.wave, state = t.state, because = t.because, plan_hash = t.plan_hash,
      plan_summary = t.plan_summary, approvals = t.approvals, approver = t.approver
    from unnest(${targets.map((t) => t.nodeId)}::text[], ${targets.map((t) => t.wave)}::int[],
      ${targets.map((t) => t.state)}::text[], ${targets.map((t) => t.because)}::text[],
      ${targets.map((t) => t.planHash)}::text[], ${targets.map((t) => t.planSummary)}::text[],
      ${targets.map((t) => t.approvals)}::int[], ${targets.map((t) => t.approver)}::text[])
      as t (node_id, wave, state, because, plan_hash, plan_summary, approvals, approver)
    where r.rollout_id = ${id} and r.node_id = t.node_id`);
}

/** The command that was requested for a target. */
export async function saveCommandOf(
  db: Queryable,
  id: string,
  node: string,
  commandId: string,
): Promise<void> {
  await db.query(sql`
    update rollout_target set command_id = ${commandId} where rollout_id = ${id} and node_id = ${node}`);
}

/** Why a target that is to start does not yet. */
export async function saveWaiting(db: Queryable, id: string, node: string, because: string): Promise<void> {
  await db.query(sql`
    update rollout_target set because = ${because}
    where rollout_id = ${id} and node_id = ${node} and state = 'starting' and because <> ${because}`);
}

/** A target for which no command could be requested. */
export async function saveLeftOut(db: Queryable, id: string, node: string, because: string): Promise<void> {
  await db.query(sql`
    update rollout_target set state = 'left-out', because = ${because}
    where rollout_id = ${id} and node_id = ${node} and state = 'planning' and command_id = ''`);
}

export interface RolloutFilter {
  readonly state?: RolloutState;
  readonly before?: { readonly requestedAt: Instant; readonly id: string };
  readonly limit: number;
}

/** Rollouts, newest first. */
export async function readRollouts(db: Queryable, filter: RolloutFilter): Promise<readonly Rollout[]> {
  const { before } = filter;
  const rows = await db.query<Row>(sql`
    select * from rollout where (${filter.state ?? ""} = '' or state = ${filter.state ?? ""})
      and (${before === undefined} or (requested_at, rollout_id) < (${new Date(before?.requestedAt ?? 0)}, ${before?.id ?? ""}))
    order by requested_at desc, rollout_id desc limit ${filter.limit}`);
  return rows.map(toRollout);
}

/** How many targets of each rollout are in each state. */
export async function countTargets(
  db: Queryable,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<TargetState, number>>> {
  const rows = await db.query<{ rollout_id: string; state: TargetState; count: number }>(sql`
    select rollout_id, state, count(*)::int as count from rollout_target
    where rollout_id = any(${[...ids]}::text[]) group by rollout_id, state`);
  const counts = new Map<string, Map<TargetState, number>>();
  for (const { rollout_id, state, count } of rows) {
    const of = counts.get(rollout_id) ?? new Map<TargetState, number>();
    counts.set(rollout_id, of.set(state, count));
  }
  return counts;
}
