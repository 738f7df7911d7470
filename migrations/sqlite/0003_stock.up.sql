-- How many there are of each sku, and how many of them are promised to orders.
create table stock (
    id text primary key,
    version integer not null,
    doc text not null,
    on_hand integer generated always as (doc ->> 'on_hand') virtual not null check (on_hand >= 0),
    reserved integer generated always as (doc ->> 'reserved') virtual not null check (reserved >= 0)
);

-- What an order was given, all of its lines or none.
create table holds (
    id text primary key,
    version integer not null,
    doc text not null,
    status text generated always as (doc ->> 'status') virtual
);
