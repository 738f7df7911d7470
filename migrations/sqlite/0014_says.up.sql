-- What is left of the outbox (`said`) after its own commit: a JSON array of "queue id" for each message that is still
-- to be handled. Finding what is in flight had to read all outboxes; most of those messages were handled by inline
-- dispatch. NULL in older rows, for which `said` is read as before.
alter table journal add column says text;
