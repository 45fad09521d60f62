-- How far the chunks have been written to another engine, and what it said of them.
create table remote_write (
  -- SHA-256, hex, of the engine's address.
  engine text primary key,
  through_chunk bigint not null,
  samples_taken bigint not null default 0,
  samples_refused bigint not null default 0,
  -- Chunks that went with their day before they could be written.
  chunks_lost bigint not null default 0,
  changed_at timestamptz not null
);
