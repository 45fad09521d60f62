-- What keeps action within limits: one account of all that was done, the brake, storms, and cases for people.
create table safety_action (
  command_id text primary key,
  -- Node, action and a digest of the arguments: what a repeat is a repeat of.
  target text not null,
  node_id text not null,
  node_name text not null,
  action text not null,
  actor_kind text not null,
  actor_name text not null,
  automatic boolean not null,
  -- `label=value` of each label that counts as a domain.
  domains text[] not null,
  taken_at timestamptz not null,
  ended_at timestamptz,
  failed boolean not null default false
);
create index safety_action_open on safety_action (taken_at) where ended_at is null;
create index safety_action_target on safety_action (target, taken_at desc);
create index safety_action_taken on safety_action (taken_at);
create index safety_action_ended on safety_action (ended_at) where ended_at is not null;

create table safety_brake (
  one boolean primary key default true check (one),
  tripped boolean not null,
  at timestamptz not null,
  actor_kind text not null,
  actor_name text not null,
  because text not null
);
insert into safety_brake (tripped, at, actor_kind, actor_name, because)
values (false, 'epoch', 'system', 'control-plane', 'it was never tripped');

create table safety_storm (
  domain text primary key,
  kind text not null check (kind in ('gathering', 'storm')),
  since timestamptz not null,
  -- When its share of unhealthy nodes was last above the limit.
  exceeded_at timestamptz not null,
  because text not null
);

create table safety_case (
  case_id text primary key,
  target text not null,
  node_name text not null,
  action text not null,
  opened_at timestamptz not null,
  because text not null,
  closed_at timestamptz,
  closed_kind text,
  closed_name text,
  closed_because text not null default ''
);
create unique index safety_case_open on safety_case (target) where closed_at is null;
create index safety_case_target on safety_case (target, closed_at desc);
create index safety_case_newest on safety_case (opened_at desc, case_id desc);

-- The nodes of a domain: those whose labels contain one label's value.
create index node_labels on node using gin (labels jsonb_path_ops);
