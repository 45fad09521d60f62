-- The nodes, what lets them in, what they last said, and what was found on them.

-- The control plane's own processes; one that stops beating has lost its streams.
create table replica (
  replica_id text primary key,
  started_at timestamptz not null,
  beat_at timestamptz not null
);

create table node (
  node_id text primary key,
  name text not null,
  hostname text not null default '',
  -- SHA-256, hex, of the public key it was let in with.
  key_hash text not null,
  enrolled_at timestamptz not null,
  revoked_at timestamptz,
  revoked_because text not null default '',
  -- What it said in its last hello.
  agent_version text not null default '',
  os text not null default '',
  machine_id text not null default '',
  boot_id text not null default '',
  labels jsonb not null default '{}',
  actions text[] not null default '{}',
  policy_hash text not null default '',
  -- Its stream: rises with each, whoever holds it.
  session_generation bigint not null default 0,
  replica_id text,
  connected_at timestamptz,
  -- Written now and then while the stream is held, and whenever it is let go.
  heard_at timestamptz,
  liveness text not null default 'never-seen' check (liveness in ('live', 'late', 'lost', 'revoked', 'never-seen')),
  liveness_because text not null default '',
  liveness_since timestamptz not null
) with (fillfactor = 70);
create unique index node_name on node (name) where revoked_at is null;
create index node_watched on node (replica_id) where liveness in ('live', 'late');
create index node_revoked on node (revoked_at) where revoked_at is not null;

-- Client certificates that were given out.
create table node_certificate (
  -- Lower-case hex without leading zeros.
  serial text primary key,
  node_id text not null references node (node_id),
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index node_certificate_node on node_certificate (node_id, expires_at desc);

create table join_token (
  join_token_id text primary key,
  secret_hash bytea not null check (octet_length(secret_hash) = 32),
  -- The name the node must take; null: any.
  node_name text,
  created_at timestamptz not null,
  created_by text not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  -- Who used it, so that an answer lost on the way can be given again to the same key.
  used_by_node text references node (node_id),
  used_by_key text
);

create table node_inventory (
  node_id text primary key references node (node_id),
  hash text not null,
  taken_at timestamptz not null,
  received_at timestamptz not null,
  certificates_digest text not null,
  services jsonb not null,
  processes jsonb not null
);

-- Certificates found on hosts; texts are cleaned and bounded before they come here.
create table found_certificate (
  node_id text not null references node (node_id),
  position int not null,
  source text not null,
  subject text not null,
  issuer text not null,
  names text[] not null,
  serial text not null,
  fingerprint text not null,
  not_before timestamptz,
  -- 'infinity' when the source could not be read, so that those come last.
  not_after timestamptz not null,
  chain_index int not null,
  verification_error text not null,
  read_error text not null,
  primary key (node_id, position)
);
create index found_certificate_expiry on found_certificate (not_after, node_id, position);
