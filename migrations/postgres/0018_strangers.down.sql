delete from meta where key = 'letters_evicted';
drop index dead_letters_forgettable;
drop index dead_letters_of_strangers;
drop index dead_letters_own;
-- With the policies of scripts/postgres-roles.sql that look at it; run that script again afterwards.
alter table dead_letters drop column stranger cascade;
