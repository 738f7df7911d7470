-- What was taken for an order and what of it went back. Never more than was taken.
create table payments (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    status text,
    currency text,
    captured_minor bigint not null check (captured_minor >= 0),
    refunded_minor bigint not null check (refunded_minor >= 0),
    check (refunded_minor <= captured_minor)
) with (fillfactor = 60, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
