-- How often a message was redelivered without effect, and how often handling it failed before it succeeded: for an
-- order's story. Written outside the handling transaction; only the journal is the truth about what happened.
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
