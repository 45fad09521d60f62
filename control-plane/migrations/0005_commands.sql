-- What is done to machines: each command from its request to its end, and what it printed.
create table command (
  command_id text primary key,
  -- The requester's own name for the request, so that asking twice is asking once.
  request_key text not null unique,
  node_id text not null,
  node_name text not null,
  action text not null,
  arguments text not null,
  state text not null,
  because text not null,
  requested_kind text not null,
  requested_name text not null,
  reason text not null,
  alert_id text not null default '',
  require_approval boolean not null default false,
  traceparent text not null,
  requested_at timestamptz not null,
  changed_at timestamptz not null,
  expires_at timestamptz not null,
  timeout_ms integer not null,
  generation bigint not null default 1,
  plan jsonb,
  approved_kind text,
  approved_name text,
  cancel_because text,
  exit_code integer not null default 0,
  summary text not null default '',
  result text not null default '',
  verification text not null default '',
  -- The stream over which the order of the present generation went last; null when it has not been sent.
  sent_session bigint,
  -- The last event taken of each mode.
  preview_sequence integer not null default 0,
  run_sequence integer not null default 0
);
create index command_open on command (node_id, state)
  where state in ('planning', 'awaiting-approval', 'approved', 'sent', 'running');
create index command_alert on command (alert_id, requested_at) where alert_id <> '';
create index command_newest on command (requested_at desc, command_id desc);

create table command_output (
  command_id text not null references command on delete cascade,
  mode text not null,
  sequence integer not null,
  at timestamptz not null,
  stream text not null,
  byte_offset bigint not null,
  skipped_bytes bigint not null,
  data bytea not null,
  primary key (command_id, mode, sequence)
);
