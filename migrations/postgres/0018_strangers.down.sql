delete from meta where key = 'letters_evicted';
drop index dead_letters_forgettable;
drop index dead_letters_of_strangers;
drop index dead_letters_own;
alter table dead_letters drop column stranger;
