-- How many there are of each sku, and how many of them are promised to orders. The few rows that sell best are
-- written hundreds of times a second: most of a page is room for their next versions.
create table stock (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    on_hand bigint not null check (on_hand >= 0),
    reserved bigint not null check (reserved >= 0)
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- What an order was given, all of its lines or none.
create table holds (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (fillfactor = 60, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
