-- The words of what commands printed, so that it can be searched. What was kept before is taken in with its bytes as text.
alter table command_output add column words tsvector;
update command_output set words = to_tsvector('simple', encode(data, 'escape')) where mode = 'run';
create index command_output_words on command_output using gin (words) where words is not null;
