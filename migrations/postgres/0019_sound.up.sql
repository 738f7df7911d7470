-- Refuses rows that a role's login could write so that other roles cannot read on, or that delete more than its own.
-- Each check costs nanoseconds; checking that `said` is JSON would cost more than all the rest of writing a row, so
-- its readers do that.
--
-- Existing rows are not checked ("not valid"): that would read the whole journal.
alter table journal add constraint journal_id_fits check (octet_length(message_id) between 1 and 255) not valid;
alter table journal add constraint journal_time_fits check (isfinite(at)) not valid;

update deadlines set due = now() where not isfinite(due);
alter table deadlines add constraint deadlines_time_fits check (isfinite(due));
update dead_letters set at = now() where not isfinite(at);
alter table dead_letters add constraint dead_letters_time_fits check (isfinite(at));

-- Outsiders' letters above the limit are deleted, and our own are not: none of ours may become an outsider's later.
create function own_letter_stays_own() returns trigger language plpgsql as $$
begin
    raise exception 'a dead letter of our own stays our own';
end $$;
create trigger dead_letters_stay_own before update on dead_letters
    for each row when (new.stranger and not old.stranger) execute function own_letter_stays_own();
