-- How often a message came again without effect, and how often handling it failed before it went well: for an order's
-- story. Written beside the work; the journal alone says what happened.
create table echoes (
    role text not null,
    message_id text not null,
    order_id text not null,
    repeats integer not null,
    failures integer not null,
    -- Of the last failure.
    why text not null,
    primary key (role, message_id)
) without rowid;
create index echoes_order on echoes (order_id);
