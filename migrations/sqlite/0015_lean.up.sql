-- Tables that every order writes have no generated columns any more: SQLite computes each of them with every row that
-- it writes, whether or not it is read, and parses the document once more for that. `doc ->> 'method'` gives the same
-- in a query.
--
-- From here on the outbox of a journal row leaves out `cause` and `at` where they equal the row's own message_id and
-- time.
alter table orders drop column method;
alter table orders drop column currency;
alter table orders drop column updated_at;
alter table audit drop column order_id;
alter table audit drop column seq;
alter table audit drop column at;
alter table audit drop column "from";
alter table audit drop column "to";
alter table audit drop column "by";
alter table holds drop column status;
alter table payments drop column status;
alter table payments drop column currency;
alter table notices drop column order_id;
alter table notices drop column event;
alter table sagas drop column order_id;
alter table sagas drop column customer_id;
alter table sagas drop column updated_at;
