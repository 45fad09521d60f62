-- For whom MCP servers speak, and whether they may.

-- Who of an identity provider's users has which roles here: one subject, or everybody with a claim's value.
create table principal_rule (
  rule_id text primary key,
  issuer text not null,
  subject text,
  claim text,
  value text,
  roles text[] not null check (cardinality(roles) > 0),
  created_at timestamptz not null,
  created_by text not null,
  -- Credentials that were given before it was changed end with the change.
  changed_at timestamptz not null,
  check ((subject is null) <> (claim is null)),
  check ((claim is null) = (value is null))
);
create unique index principal_rule_whom
  on principal_rule (issuer, coalesce(subject, ''), coalesce(claim, ''), coalesce(value, ''));

-- Short-lived credentials, by their hash; rows are removed some time after their end.
create table delegation (
  delegation_id text primary key,
  secret_hash bytea not null check (octet_length(secret_hash) = 32),
  -- The MCP server's own token: with its end they end.
  issued_by text not null references access_token (token_id),
  name text not null,
  roles text[] not null check (cardinality(roles) > 0),
  rule_ids text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index delegation_end on delegation (expires_at);

-- One row: what AI clients may do.
create table mcp_switch (
  only_row boolean primary key default true check (only_row),
  state text not null check (state in ('on', 'read-only', 'off')),
  because text not null,
  set_by text not null,
  set_at timestamptz not null
);
