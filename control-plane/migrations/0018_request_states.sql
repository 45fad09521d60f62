-- What MCP servers share while a person is asked: the key that seals their states, and which states were used.
-- Whoever reads this database could approve commands in it directly, so the key is no greater secret than the rest.
create table request_state_key (
  id integer primary key check (id = 1),
  key bytea not null check (octet_length(key) = 32),
  made_at timestamptz not null
);

create table used_request_state (
  state_id text primary key,
  used_at timestamptz not null,
  expires_at timestamptz not null
);
create index used_request_state_expires_at on used_request_state (expires_at);
