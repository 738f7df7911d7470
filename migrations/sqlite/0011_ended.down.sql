drop index orders_ended;
