/** Rules, delegations and the switch in PostgreSQL. */
import type { Role } from "../kernel/caller.js";
import { type TokenId, tokenId } from "../kernel/ids.js";
import { type Duration, HOUR, type Instant } from "../kernel/time.js";
import type { Queryable, Transaction } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import type { PrincipalRule } from "./domain/delegation.js";
import { SWITCHED_ON, type Switch, type SwitchState } from "./domain/judge-switch.js";
import type { StoredToken } from "./principals.store.js";

/** Rows of delegations are kept this long after their end. */
const KEPT_AFTER_END: Duration = HOUR;
/** Rules of one issuer that are read. */
export const RULES_MAX = 1_000;

interface RuleRow {
  rule_id: string;
  issuer: string;
  subject: string | null;
  claim: string | null;
  value: string | null;
  roles: Role[];
  created_at: Date;
  created_by: string;
}

export interface StoredRule extends PrincipalRule {
  readonly createdAt: Instant;
  readonly createdBy: string;
}

function toRule(row: RuleRow): StoredRule {
  return {
    ruleId: row.rule_id,
    issuer: row.issuer,
    whom:
      row.subject === null ? { claim: row.claim ?? "", value: row.value ?? "" } : { subject: row.subject },
    roles: row.roles,
    createdAt: row.created_at.getTime(),
    createdBy: row.created_by,
  };
}

/** All rules, or those of one issuer; at most a thousand. */
export async function readRules(db: Queryable, issuer?: string): Promise<readonly StoredRule[]> {
  const rows = await db.query<RuleRow>(sql`
    select rule_id, issuer, subject, claim, value, roles, created_at, created_by from principal_rule
    where ${issuer ?? null}::text is null or issuer = ${issuer ?? null}
    order by issuer, rule_id limit ${RULES_MAX}`);
  return rows.map(toRule);
}

/** Adds the rule, or gives the one that speaks of the same its roles. Answers the id it has. */
export async function putRule(tx: Transaction, rule: StoredRule): Promise<string> {
  const { whom } = rule;
  const subject = "subject" in whom ? whom.subject : null;
  const claim = "claim" in whom ? whom.claim : null;
  const value = "claim" in whom ? whom.value : null;
  const at = new Date(rule.createdAt);
  const [row] = await tx.query<{ rule_id: string }>(sql`
    insert into principal_rule (rule_id, issuer, subject, claim, value, roles, created_at, created_by, changed_at)
    values (${rule.ruleId}, ${rule.issuer}, ${subject}, ${claim}, ${value}, ${rule.roles}, ${at}, ${rule.createdBy}, ${at})
    on conflict (issuer, coalesce(subject, ''), coalesce(claim, ''), coalesce(value, ''))
    do update set roles = excluded.roles, changed_at = excluded.changed_at
    returning rule_id`);
  return row?.rule_id ?? rule.ruleId;
}

/** Answers the rule as it was; undefined when there is none. */
export async function deleteRule(tx: Transaction, ruleId: string): Promise<StoredRule | undefined> {
  const [row] = await tx.query<RuleRow>(sql`
    delete from principal_rule where rule_id = ${ruleId}
    returning rule_id, issuer, subject, claim, value, roles, created_at, created_by`);
  return row && toRule(row);
}

export interface NewDelegation {
  readonly id: TokenId;
  readonly secretHash: Uint8Array;
  readonly issuedBy: TokenId;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly ruleIds: readonly string[];
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
}

/** Stores it, and removes those that ended long ago. */
export async function insertDelegation(tx: Transaction, made: NewDelegation): Promise<void> {
  await tx.query(sql`
    delete from delegation where expires_at < ${new Date(made.createdAt - KEPT_AFTER_END)}`);
  await tx.query(sql`
    insert into delegation
      (delegation_id, secret_hash, issued_by, name, roles, rule_ids, created_at, expires_at)
    values (${made.id}, ${Buffer.from(made.secretHash)}, ${made.issuedBy}, ${made.name}, ${made.roles},
      ${made.ruleIds}, ${new Date(made.createdAt)}, ${new Date(made.expiresAt)})`);
}

interface DelegationRow {
  secret_hash: Buffer;
  name: string;
  roles: Role[];
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
}

/** As a token. It is revoked when the server's own token is, or a rule that gave it is gone or was changed. */
export async function findDelegation(db: Queryable, id: TokenId): Promise<StoredToken | undefined> {
  const [row] = await db.query<DelegationRow>(sql`
    select d.secret_hash, d.name, d.roles, d.created_at, least(d.expires_at, t.expires_at) as expires_at,
      case
        when t.revoked_at is not null then t.revoked_at
        when (select count(*) from principal_rule r
              where r.rule_id = any (d.rule_ids) and r.changed_at <= d.created_at) < cardinality(d.rule_ids)
          then d.created_at
      end as ended_at
    from delegation d join access_token t on t.token_id = d.issued_by
    where d.delegation_id = ${id}`);
  if (row === undefined) return undefined;
  const token = {
    tokenId: tokenId(id),
    name: row.name,
    kind: "mcp",
    roles: row.roles,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    revokedAt: row.ended_at?.getTime(),
    lastUsedAt: undefined,
  } as const;
  return { token, secretHash: row.secret_hash };
}

export async function readSwitch(db: Queryable): Promise<Switch> {
  const [row] = await db.query<{ state: SwitchState; because: string; set_by: string; set_at: Date }>(
    sql`select state, because, set_by, set_at from mcp_switch`,
  );
  if (row === undefined) return SWITCHED_ON;
  return { state: row.state, because: row.because, setBy: row.set_by, setAt: row.set_at.getTime() };
}

export async function writeSwitch(
  tx: Transaction,
  { state, because, setBy, setAt }: Switch & { readonly setAt: Instant },
): Promise<void> {
  await tx.query(sql`
    insert into mcp_switch (state, because, set_by, set_at)
    values (${state}, ${because}, ${setBy}, ${new Date(setAt)})
    on conflict (only_row) do update
      set state = excluded.state, because = excluded.because, set_by = excluded.set_by, set_at = excluded.set_at`);
}
