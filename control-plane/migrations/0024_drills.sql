-- Runs of drills: what was begun, by whom, what became of it. One that is open is carried on by whoever leads.
create table drill_run (
  id text primary key,
  -- As the components file defines it; what it was then is told in the other columns.
  drill text not null,
  component text not null,
  -- switchover or restore.
  kind text not null,
  begun_by jsonb not null,
  reason text not null,
  begun_at timestamptz not null,
  reach text not null,
  -- The moment that a restore is to; empty for the newest.
  to_moment text not null,
  -- open, passed, failed or aborted.
  state text not null,
  -- The failover request or the command that it is; empty before that was asked for.
  reference text not null,
  -- Why somebody wants it called off; empty when nobody does.
  abort_because text not null,
  because text not null,
  score integer not null,
  report jsonb,
  ended_at timestamptz
);
-- Never two at once, in the whole house.
create unique index drill_run_open on drill_run ((true)) where ended_at is null;
create index drill_run_newest on drill_run (begun_at desc);
create index drill_run_drill on drill_run (drill, begun_at desc);

-- From when a drill that was never run is counted.
create table drill_seen (
  drill text primary key,
  since timestamptz not null
);
