-- Rules that were put in force through the API; each change is a version, and versions are kept.
create table rule_group (
  name text primary key,
  version bigint not null check (version > 0),
  -- A Prometheus rule file with this one group; null: it was deleted in this version.
  content text,
  changed_at timestamptz not null,
  actor_kind text not null,
  actor_name text not null
);
create table rule_group_version (
  name text not null,
  version bigint not null,
  content text,
  changed_at timestamptz not null,
  actor_kind text not null,
  actor_name text not null,
  reason text not null,
  primary key (name, version)
);

-- When an alert fired of late (ms since the epoch, oldest first), for rules that count flapping.
alter table alert add column turns jsonb not null default '[]';
alter table alert add column flapping boolean not null default false;
