-- What every order writes has no generated columns any more: SQLite makes each of them with every row that it writes, whether
-- somebody looks at it or not, and for that reads the document once more. `doc ->> 'method'` says the same when it is asked.
--
-- From here on what a journal row has said leaves out `cause` and `at` where they are the row's own message_id and time.
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
