-- A page whose rows all change before the first of them is forgotten needs room for each of them once more, and a little
-- longer than it was: then no index is written (HOT). Pages that are there already stay as they are until they are vacuumed.
alter table orders set (fillfactor = 40);
alter table holds set (fillfactor = 50);
alter table payments set (fillfactor = 45);
