drop trigger dead_letters_stay_own on dead_letters;
drop function own_letter_stays_own();
alter table dead_letters drop constraint dead_letters_time_fits;
alter table deadlines drop constraint deadlines_time_fits;
alter table journal drop constraint journal_time_fits;
alter table journal drop constraint journal_id_fits;
