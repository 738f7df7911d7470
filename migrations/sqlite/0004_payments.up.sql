-- What was taken for an order and what of it went back. Never more than was taken.
create table payments (
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
