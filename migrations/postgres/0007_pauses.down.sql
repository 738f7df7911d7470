update meta set value = 6 where key = 'program_at_least';
drop table methods;
drop table pauses;
