-- One action on many targets in waves; and how much each remediation helped.
create table rollout (
  rollout_id text primary key,
  -- The requester's own name for the request, so that asking twice is asking once.
  request_key text not null unique,
  spec jsonb not null,
  state text not null,
  because text not null,
  requested_kind text not null,
  requested_name text not null,
  requested_roles text[] not null,
  requested_at timestamptz not null,
  changed_at timestamptz not null,
  expires_at timestamptz not null,
  traceparent text not null,
  plan_hash text not null default '',
  approvals integer not null default 0,
  approver text not null default 'approver',
  approved_by jsonb not null default '[]',
  applied_by jsonb,
  wave integer not null default 0,
  waves integer not null default 0,
  started_at timestamptz,
  gate_from timestamptz,
  gate_since timestamptz,
  forgiven integer not null default 0,
  held_because text not null default '',
  -- Nothing will change any more unless a person does something.
  at_rest boolean not null default false
);
create index rollout_moving on rollout (requested_at) where not at_rest;
create index rollout_newest on rollout (requested_at desc, rollout_id desc);

create table rollout_target (
  rollout_id text not null references rollout on delete cascade,
  node_id text not null,
  node_name text not null,
  labels jsonb not null,
  wave integer not null default 0,
  state text not null,
  because text not null default '',
  command_id text not null default '',
  plan_hash text not null default '',
  plan_summary text not null default '',
  approvals integer not null default 0,
  approver text not null default 'approver',
  primary key (rollout_id, node_id)
);

-- What each verified command of an alert rule came to.
create table remediation_effect (
  command_id text primary key,
  alert text not null,
  action text not null,
  helped boolean not null,
  at timestamptz not null
);
create index remediation_effect_pair on remediation_effect (alert, action, at desc);
