-- What customers have put aside, by customer. It belongs to the order worker.
create table carts (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (fillfactor = 60, toast_tuple_target = 8160);
