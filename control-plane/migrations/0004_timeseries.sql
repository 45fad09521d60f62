-- Samples from before the hot window: compressed stretches, one row for each node every two minutes or so.

create table metric_chunk (
  -- The order in which chunks were written: later chunks of a node hold later rows of each of its lanes.
  chunk_id bigint generated always as identity,
  -- Of the oldest and the newest sample within.
  from_time timestamptz not null,
  to_time timestamptz not null,
  node_id text not null,
  node_name text not null,
  outbox_id text not null,
  -- Frames of the outbox whose samples are within.
  from_sequence bigint not null,
  through_sequence bigint not null,
  samples integer not null,
  -- SHA-256, hex, of the names of each layout's series: a key of metric_layout.
  layouts text[] not null,
  -- 0: as it is; 1: raw deflate.
  coding smallint not null,
  parts bytea not null
) partition by range (from_time);
-- Compressed already: trying again would only cost time.
alter table metric_chunk alter column parts set storage external;
create index metric_chunk_order on metric_chunk (chunk_id);
create index metric_chunk_time on metric_chunk (from_time);

-- The names of a layout's series, once for each day of chunks that use it, so that both go with their day.
create table metric_layout (
  -- Days since 1970, UTC.
  day integer not null,
  digest text not null,
  coding smallint not null,
  -- JSON: for each series name, value, name, value.
  names bytea not null,
  primary key (day, digest)
) partition by range (day);
alter table metric_layout alter column names set storage external;

-- How far each node's outbox is durable.
create table metric_position (
  node_id text primary key,
  outbox_id text not null,
  through_sequence bigint not null
) with (fillfactor = 50);
