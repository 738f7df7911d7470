-- A file has one program that writes it, with one set of rights: the checks of 0019 of Postgres are against a role's
-- own login, and no such login exists here. Only the rule that a dead letter of our own stays our own is the same.
create trigger dead_letters_stay_own before update on dead_letters when new.stranger and not old.stranger
begin
    select raise(abort, 'a dead letter of our own stays our own');
end;
