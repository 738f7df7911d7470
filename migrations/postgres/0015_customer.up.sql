-- This is the one index of ours whose entries come in everywhere and not at its end: whoever orders today may have ordered
-- years ago. Of what is touched so, each page is read, and goes into the log as a whole after every checkpoint. Without the order's
-- id it has two thirds of the pages; orders of the same millisecond are put in order when a page of them is read.
create index orders_of_customer on orders (customer_id, created_at);
drop index orders_customer;
alter index orders_of_customer rename to orders_customer;
