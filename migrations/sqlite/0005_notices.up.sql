-- One event of one order, and the channels that were handed its notice.
create table notices (
    id text primary key,
    version integer not null,
    doc text not null,
    order_id text generated always as (doc ->> 'order_id') virtual,
    event text generated always as (doc ->> 'event') virtual
);
