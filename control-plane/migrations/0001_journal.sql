-- What happened: append-only, chained entry to entry. And the leases by which replicas take turns.
create table journal_entry (
  position bigint primary key check (position > 0),
  at timestamptz not null,
  kind text not null,
  subject text not null,
  actor_kind text not null,
  actor_name text not null,
  because text not null,
  -- Canonical JSON, kept as the text that was hashed.
  facts text not null,
  traceparent text not null default '',
  hash text not null
);
create index journal_entry_subject on journal_entry (subject, position);
create index journal_entry_kind on journal_entry (kind text_pattern_ops, position);

create table journal_position (
  consumer text primary key,
  position bigint not null
);

create table lease (
  name text primary key,
  holder text not null,
  generation bigint not null,
  until timestamptz not null
);
