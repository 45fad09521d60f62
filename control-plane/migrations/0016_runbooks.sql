-- Runbooks' runs: what is carried out, as it was when it began, and how far it is.
create table runbook_run (
  run_id text primary key,
  -- The requester's own name for the run, so that asking twice is running once.
  request_key text not null unique,
  runbook text not null,
  digest text not null,
  -- The steps with their parameters in place: what the file says later does not change a run.
  program jsonb not null,
  parameters jsonb not null,
  dry_run boolean not null,
  state text not null,
  because text not null,
  requested_kind text not null,
  requested_name text not null,
  -- What the requester was allowed when the run began: its commands are judged by it.
  requested_roles text[] not null,
  reason text not null,
  traceparent text not null,
  started_at timestamptz not null,
  changed_at timestamptz not null,
  ended_at timestamptz,
  cancel_because text,
  -- Each step's standing, by its id.
  steps jsonb not null,
  -- Rises with each change, so that a decision made on an older state is dropped.
  revision bigint not null default 1
);
create index runbook_run_open on runbook_run (started_at) where ended_at is null;
create index runbook_run_newest on runbook_run (started_at desc, run_id desc);
create index runbook_run_of on runbook_run (runbook, started_at desc, run_id desc);

-- Since when a schedule is known: moments before that are nobody's duty.
create table runbook_schedule (
  runbook text primary key,
  cron text not null,
  time_zone text not null,
  known_since timestamptz not null
);
