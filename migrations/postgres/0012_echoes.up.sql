-- How often a message came again without effect, and how often handling it failed before it went well: for an order's
-- story. Written beside the work; the journal alone says what happened.
create table echoes (
    role text collate "C" not null,
    message_id text collate "C" not null,
    order_id uuid not null,
    repeats bigint not null,
    failures bigint not null,
    -- Of the last failure.
    why text not null,
    primary key (message_id, role)
);
create index echoes_order on echoes (order_id);
