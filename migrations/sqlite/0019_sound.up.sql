-- A file has one program that writes it, with one set of rights: what 0019 of Postgres keeps a role's login from writing, no
-- login can write here. The rule that a dead letter of our own stays our own is the same.
create trigger dead_letters_stay_own before update on dead_letters when new.stranger and not old.stranger
begin
    select raise(abort, 'a dead letter of our own stays our own');
end;
