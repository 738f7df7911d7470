-- The speaker of a dead letter's message: a replay keeps it. Existing letters have no proven origin.
alter table dead_letters add column said_by text not null default 'outsider';
