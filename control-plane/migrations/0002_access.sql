-- Who may speak: bearer tokens, by their hash.
create table access_token (
  token_id text primary key,
  name text not null,
  -- Who speaks with it: a person, or an AI client on a person's behalf.
  kind text not null check (kind in ('human', 'mcp')),
  roles text[] not null check (cardinality(roles) > 0),
  -- SHA-256 of the secret part; the text itself is given once and kept nowhere.
  secret_hash bytea not null check (octet_length(secret_hash) = 32),
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
