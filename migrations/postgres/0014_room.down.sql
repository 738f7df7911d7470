alter table orders set (fillfactor = 60);
alter table holds set (fillfactor = 60);
alter table payments set (fillfactor = 60);
