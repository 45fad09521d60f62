-- The decision logs of the clusters that may be failed over: written before anything is done, and what a control plane
-- that was killed goes on with. This database must not be one that it fails over itself.
create table recovery_cluster (
  -- The component's id.
  cluster text primary key,
  -- Who took the last term may append; a replica that was succeeded finds that its term is not the last any more.
  term bigint not null,
  -- How many records there are.
  records bigint not null,
  policy jsonb not null,
  first_primary text not null,
  -- What the records add up to.
  state jsonb not null,
  registered_at timestamptz not null
);

create table recovery_record (
  cluster text not null references recovery_cluster (cluster),
  position bigint not null,
  term bigint not null,
  -- Of the decision it belongs to; null when it belongs to none.
  epoch bigint,
  kind text not null,
  at timestamptz not null,
  record jsonb not null,
  primary key (cluster, position)
);
create index recovery_record_epoch on recovery_record (cluster, epoch, position);

create table recovery_decision (
  cluster text not null references recovery_cluster (cluster),
  epoch bigint not null,
  kind text not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  primary key (cluster, epoch)
);
create unique index recovery_decision_open on recovery_decision (cluster) where ended_at is null;
create index recovery_decision_started on recovery_decision (started_at desc);
