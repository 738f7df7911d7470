create index orders_of_customer on orders (customer_id, created_at, id);
drop index orders_customer;
alter index orders_of_customer rename to orders_customer;
