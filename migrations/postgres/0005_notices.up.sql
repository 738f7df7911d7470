-- One event of one order, and the channels that were handed its notice.
create table notices (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (toast_tuple_target = 8160);
