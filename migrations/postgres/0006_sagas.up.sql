-- Where an order (or one of its returns) stands on its way, and what it waits for. The id of a checkout's saga is
-- the order's; a return's begins with it.
create table sagas (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    -- Never changes.
    created_at text collate "C",
    customer_id text collate "C",
    status text,
    -- Apart from the status, because an index looks at it: a saga that only moves on changes nothing that is indexed.
    waiting boolean generated always as (status is not distinct from 'needs_attention') stored
) with (fillfactor = 50, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
create index sagas_newest on sagas (created_at, id);
-- Those that wait for a person are few among millions.
create index sagas_waiting on sagas (created_at, id) where waiting;
