-- Where an order (or one of its returns) stands on its way, and what it waits for. The id of a checkout's saga is
-- the order's; a return's begins with it.
create table sagas (
    id text primary key,
    version integer not null,
    doc text not null,
    -- Never changes: as a real column, set once, its index is not written again with every change.
    created_at text,
    status text generated always as (doc ->> 'status') virtual,
    order_id text generated always as (doc ->> 'order_id') virtual,
    customer_id text generated always as (doc ->> '$.subject.customer_id') virtual,
    updated_at text generated always as (doc ->> 'updated_at') virtual
);
create index sagas_newest on sagas (created_at);
-- Those that wait for a person are few among millions.
create index sagas_waiting on sagas (created_at) where status = 'needs_attention';
