-- What was asked of whoever sends traffic: written before anything is done, and what a control plane that was killed goes
-- on with. Each steering has an epoch of its target that is never used twice.
create table traffic_epoch (
  target text primary key,
  epoch bigint not null
);

create table traffic_steer (
  id text primary key,
  target text not null,
  to_destination text not null,
  -- What it follows: `cluster:NAME` with the epoch of its owner; empty, and 0, when a person asked.
  origin text not null,
  origin_epoch bigint not null,
  reason text not null,
  requested_by jsonb not null,
  requested_at timestamptz not null,
  -- waiting-for-approval, waiting, steering, moving, moved, refused, failed, superseded or lapsed.
  state text not null,
  because text not null,
  decided_by jsonb,
  plan_hash text not null,
  -- From here on null until it is begun.
  epoch bigint,
  from_destinations text[],
  -- How long clients may keep what they were told before, in ms.
  hold_ms bigint,
  begun_at timestamptz,
  -- Whoever sends it was asked, and said that it goes there.
  steered_at timestamptz,
  ended_at timestamptz
);
create unique index traffic_steer_origin on traffic_steer (target, origin, origin_epoch) where origin <> '';
create unique index traffic_steer_epoch on traffic_steer (target, epoch) where epoch is not null;
create index traffic_steer_open on traffic_steer (requested_at) where ended_at is null;
create index traffic_steer_newest on traffic_steer (target, requested_at desc);
