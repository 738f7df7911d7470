drop table meta;
drop table dead_letters;
drop table deadlines;
drop function must_meet;
drop table journal;
drop function refuse_but_pruning;
drop function refuse;
