-- Alerts: each that is pending or firing, and those resolved of late.
create table alert (
  -- Digest of the rule's key and the labels: the same alert has the same id over restarts.
  alert_id text primary key,
  rule_key text not null,
  rule_name text not null,
  group_name text not null,
  labels jsonb not null,
  annotations jsonb not null,
  state text not null check (state in ('pending', 'firing', 'resolved')),
  because text not null,
  value double precision not null,
  active_at timestamptz not null,
  fired_at timestamptz,
  kept_since timestamptz,
  resolved_at timestamptz
);
create index alert_rule on alert (rule_key);
create index alert_resolved on alert (resolved_at) where state = 'resolved';
