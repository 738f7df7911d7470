-- If all rows of a page change before the first old version can be removed, each row needs its room twice, and a
-- little more because rows grow: then no index is written (HOT). Existing pages stay as they are until they are
-- vacuumed.
alter table orders set (fillfactor = 40);
alter table holds set (fillfactor = 50);
alter table payments set (fillfactor = 45);
