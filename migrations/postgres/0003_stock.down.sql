drop table holds;
drop table stock;
