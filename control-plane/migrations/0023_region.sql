-- Failovers of whole regions: each run's records, written before anything is done, and what they add up to; and how each
-- part of a region was last seen.
create table region_run (
  -- As the regions file names it.
  region text not null,
  -- Never used twice for one region; every order to a driver carries it.
  epoch bigint not null,
  -- The plan as it was when the run began.
  plan jsonb not null,
  plan_hash text not null,
  state jsonb not null,
  -- How many records there are.
  records bigint not null,
  requested_by jsonb not null,
  requested_roles text[] not null,
  reason text not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  primary key (region, epoch)
);
create unique index region_run_open on region_run (region) where ended_at is null;
create index region_run_started on region_run (started_at desc);

create table region_record (
  region text not null,
  epoch bigint not null,
  position bigint not null,
  kind text not null,
  at timestamptz not null,
  record jsonb not null,
  primary key (region, epoch, position),
  foreign key (region, epoch) references region_run (region, epoch)
);

create table region_standing (
  region text not null,
  step text not null,
  standing jsonb not null,
  primary key (region, step)
);
