-- The one index of ours whose new entries go everywhere and not to its end: a customer of today may have ordered
-- years ago. Each page that such an entry touches is read, and written to the WAL as a whole after every checkpoint.
-- Without the order's id it has two thirds of the pages; orders of the same millisecond are sorted when a page of
-- results is read.
create index orders_of_customer on orders (customer_id, created_at);
drop index orders_customer;
alter index orders_of_customer rename to orders_customer;
