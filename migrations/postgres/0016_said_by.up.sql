-- Who said the message of a dead letter: a replay is still theirs. What is there already has no proven origin.
alter table dead_letters add column said_by text not null default 'outsider';
