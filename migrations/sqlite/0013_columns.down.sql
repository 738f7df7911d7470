create table payments_then (
    id text primary key,
    version integer not null,
    doc text not null,
    status text generated always as (doc ->> 'status') virtual,
    currency text generated always as (doc ->> 'currency') virtual,
    captured_minor integer generated always as (doc ->> 'captured_minor') virtual not null
        check (captured_minor >= 0),
    refunded_minor integer generated always as (doc ->> 'refunded_minor') virtual not null
        check (refunded_minor >= 0),
    check (refunded_minor <= captured_minor)
);
insert into payments_then (id, version, doc) select id, version, doc from payments;
drop table payments;
alter table payments_then rename to payments;

create table stock_then (
    id text primary key,
    version integer not null,
    doc text not null,
    on_hand integer generated always as (doc ->> 'on_hand') virtual not null check (on_hand >= 0),
    reserved integer generated always as (doc ->> 'reserved') virtual not null check (reserved >= 0)
);
insert into stock_then (id, version, doc) select id, version, doc from stock;
drop table stock;
alter table stock_then rename to stock;

drop index sagas_waiting;
alter table sagas drop column status;
alter table sagas add column status text generated always as (doc ->> 'status') virtual;
create index sagas_waiting on sagas (created_at) where status = 'needs_attention';

drop index orders_ended;
alter table orders drop column total_minor;
alter table orders drop column status;
alter table orders add column status text generated always as (doc ->> 'status') virtual
    check (status in ('created', 'paid', 'fulfilled', 'cancelled', 'refunded', 'archived'));
alter table orders add column
    total_minor integer generated always as (cast(replace(doc ->> '$.total.amount', '.', '') as integer)) virtual
        check (total_minor >= 0);
create index orders_ended on orders (status, created_at, id)
    where status in ('cancelled', 'refunded', 'archived');
