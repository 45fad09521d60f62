-- Alerts to people: what others posted, silences, groups and what was told of them, notices on their way, what was hidden.

-- Alerts that a Prometheus of someone else's posted. Ours are in `alert`.
create table posted_alert (
  -- FNV-1a of the sorted labels, 16 hex digits, as Alertmanager names it.
  fingerprint text primary key,
  labels jsonb not null,
  annotations jsonb not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  -- Whoever posted it named no end: it is resolve_timeout after the last post.
  times_out boolean not null,
  generator_url text not null,
  updated_at timestamptz not null,
  -- Rises with each change, in the order of commits.
  revision bigint not null
);
create unique index posted_alert_revision_order on posted_alert (revision);
create index posted_alert_end on posted_alert (ends_at);
create sequence posted_alert_revision;

create table silence (
  silence_id text primary key,
  -- [{name, op, value}], all of which must hold.
  matchers jsonb not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  updated_at timestamptz not null,
  created_by text not null,
  comment text not null
);
create index silence_end on silence (ends_at);

-- A group of alerts for one receiver; it is there while it has alerts or someone was told of it.
create table notice_group (
  group_key text not null,
  receiver text not null,
  labels jsonb not null,
  created_at timestamptz not null,
  flushed_at timestamptz,
  -- What would have been told if nothing had been hidden: {firing, resolved, at}.
  shadow jsonb,
  primary key (group_key, receiver)
);

-- What the receiver was told last, by each way to it.
create table notice_target (
  group_key text not null,
  receiver text not null,
  integration text not null,
  -- {firing, resolved, at, undelivered}
  told jsonb,
  primary key (group_key, receiver, integration),
  foreign key (group_key, receiver) references notice_group on delete cascade
);

-- Notices: the outbox, and then the record of who was told what.
create table notice (
  notice_id text primary key,
  group_key text not null,
  receiver text not null,
  integration text not null,
  reason text not null,
  because text not null,
  state text not null check (state in ('queued', 'delivered', 'failed', 'superseded', 'withdrawn')),
  fingerprints text[] not null,
  -- What is to be said, whole: the same at each attempt.
  data jsonb not null,
  -- What had been told before: that is what counts again if this is never heard.
  before jsonb,
  attempts integer not null default 0,
  -- Handed out, and no answer noted yet.
  in_flight boolean not null default false,
  next_attempt_at timestamptz not null,
  last_answer text not null default '',
  created_at timestamptz not null,
  settled_at timestamptz
);
create index notice_queued on notice (receiver, integration, next_attempt_at) where state = 'queued';
create index notice_group_queued on notice (group_key, receiver) where state = 'queued';
create index notice_created on notice (created_at);
create index notice_fingerprints on notice using gin (fingerprints);

-- What silences, inhibitions and windows hid, and how often it would have been told.
create table suppression (
  kind text not null check (kind in ('silence', 'inhibition', 'window')),
  name text not null,
  group_key text not null,
  receiver text not null,
  fingerprint text not null,
  labels jsonb not null,
  notices bigint not null,
  reason text not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  primary key (kind, name, group_key, receiver, fingerprint)
);
create index suppression_last on suppression (last_at);
create index suppression_fingerprint on suppression (fingerprint);
