drop index orders_ended;
drop trigger orders_ended on orders;
drop function order_ended();
alter table orders drop column ended;
