-- What customers have put aside, by customer. It belongs to the order worker.
create table carts (
    id text primary key,
    version integer not null,
    doc text not null,
    updated_at text generated always as (doc ->> 'updated_at') virtual
);
