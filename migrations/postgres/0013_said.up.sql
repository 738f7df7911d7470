-- From here on what a journal row has said leaves out `cause` and `at` where they are the row's own message_id and time: a
-- seventh of a row. A program that does not know that could not read it.
update meta set value = 13 where key = 'program_at_least';
