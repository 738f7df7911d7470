drop table sagas;
