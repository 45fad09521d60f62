-- What people ask of clusters under failover, taken up by whichever replica drives them; and how each was last seen.
alter table recovery_cluster
  add column observed jsonb,
  add column observed_at timestamptz,
  -- Let go: nothing is decided about it any more, its log stays.
  add column released_at timestamptz;

create table recovery_request (
  id text primary key,
  cluster text not null references recovery_cluster (cluster),
  -- switchover, force, pause, resume, approve, refuse or vouch.
  kind text not null,
  to_node text not null,
  reason text not null,
  -- Of the decision that is answered, or that it led to.
  epoch bigint,
  accept_loss boolean not null,
  requested_by jsonb not null,
  requested_at timestamptz not null,
  -- waiting-for-approval, waiting, done, refused or lapsed.
  state text not null,
  because text not null,
  decided_by jsonb,
  plan_hash text not null,
  -- Empty when it is no drill.
  drill text not null,
  ended_at timestamptz
);
create index recovery_request_open on recovery_request (requested_at) where ended_at is null;
create index recovery_request_newest on recovery_request (requested_at desc);
create index recovery_request_drill on recovery_request (drill, requested_at desc) where drill <> '';
