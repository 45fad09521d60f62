-- Held plans, several approvals, undo, and plans that are made anew because the world has changed.
alter table command
  add column approvals jsonb not null default '[]',
  add column requested_roles text[] not null default '{}',
  add column hold boolean not null default false,
  -- The command that this one undoes, and the latest one that undoes this; empty where there is none.
  add column undoes text not null default '',
  add column undone_by text not null default '',
  -- Each time the world has outrun a plan, another attempt begins; events are told apart by it.
  add column attempt integer not null default 1;
drop index command_open;
create index command_open on command (node_id, state)
  where state in ('planning', 'planned', 'awaiting-approval', 'approved', 'sent', 'running');
