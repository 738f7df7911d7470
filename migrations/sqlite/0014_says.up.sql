-- What is left of `said` when its own commit is done: a JSON array of "queue id" for each message that somebody has yet to
-- handle. Whoever looks for what is in flight read all that was said before; most of it was handled on the spot. Empty (NULL)
-- in rows from before, for which `said` is read as ever.
alter table journal add column says text;
