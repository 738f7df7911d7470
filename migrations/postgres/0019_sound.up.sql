-- What a login of a role could write so that others cannot read on, or that erases more than is its own. Each check costs
-- nanoseconds; whether `said` is JSON costs more than all the rest of writing a row, and is found out by those who read it.
--
-- Rows from before are not looked at ("not valid"): that would read the whole journal.
alter table journal add constraint journal_id_fits check (octet_length(message_id) between 1 and 255) not valid;
alter table journal add constraint journal_time_fits check (isfinite(at)) not valid;

update deadlines set due = now() where not isfinite(due);
alter table deadlines add constraint deadlines_time_fits check (isfinite(due));
update dead_letters set at = now() where not isfinite(at);
alter table dead_letters add constraint dead_letters_time_fits check (isfinite(at));

-- Strangers' letters are deleted past their number, and our own are not: none becomes a stranger's later.
create function own_letter_stays_own() returns trigger language plpgsql as $$
begin
    raise exception 'a dead letter of our own stays our own';
end $$;
create trigger dead_letters_stay_own before update on dead_letters
    for each row when (new.stranger and not old.stranger) execute function own_letter_stays_own();
