drop table methods;
drop table pauses;
