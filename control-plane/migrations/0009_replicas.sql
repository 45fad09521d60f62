-- Where each replica is reached by the others, and the session by which PostgreSQL itself knows that it lives.
alter table replica add column rest_url text not null default '';
alter table replica add column agents_address text not null default '';

-- A holder of leases that keeps an advisory lock for as long as its process lives: when the lock is free the process is
-- gone, and its leases need not run out before another takes them.
create table presence (
  holder text primary key,
  since timestamptz not null
);
