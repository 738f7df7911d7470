drop table meta;
drop table dead_letters;
drop table deadlines;
drop table journal;
drop table pruning;
