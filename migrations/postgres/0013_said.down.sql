-- What was said without its cause and time cannot be read by programs from before: this gives them back. By the text, as
-- bodies may hold what Postgres would not parse; nothing in a body looks like the beginning of a message.
alter table journal disable trigger journal_never_changes;
update journal set said = regexp_replace(
    said, '({"id":"(?:[^"\\]|\\.)*","name":"[^"]*"),"to":\[',
    '\1,"cause":' || replace(to_json(message_id)::text, '\', '\\')
        || ',"at":"' || to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","to":[', 'g')
where said <> '[]';
alter table journal enable trigger journal_never_changes;
update meta set value = 7 where key = 'program_at_least';
