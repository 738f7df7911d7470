drop table pauses;
