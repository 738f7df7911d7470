-- Every record table has one shape: the document as its worker wrote it, the version it stands at, and columns for
-- indexes, checks and people. Money is in minor units. crates/store/src/postgres/columns.rs reads the columns out of the
-- document when it writes both: generated columns cost five times as much on Postgres, because each of them parses
-- the document again (44 µs against 8 for an order; as jsonb 18, and a sixth more bytes).
--
-- fillfactor: a new version finds room in its page, and as no indexed column changes, no index is written (HOT).

-- An order, from submission to archive.
create table orders (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    -- These two never change.
    customer_id text collate "C",
    created_at text collate "C",
    status text check (status in ('created', 'paid', 'fulfilled', 'cancelled', 'refunded', 'archived')),
    total_minor bigint check (total_minor >= 0),
    currency text,
    updated_at text collate "C"
) with (fillfactor = 60, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
create index orders_newest on orders (created_at, id);
create index orders_customer on orders (customer_id, created_at, id);

-- A submission that was refused, so that its sender can learn why.
create table submissions (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (toast_tuple_target = 8160);

-- One entry for each change of an order's state, numbered without gaps. Added, never changed.
create table audit (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (toast_tuple_target = 8160);
create trigger audit_never_changes before update or delete or truncate on audit
    for each statement execute function refuse('audit entries never change');

-- What can be bought, and for how much.
create table products (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    price_minor bigint check (price_minor >= 0),
    currency text
);

-- Codes that take something off a total.
create table discounts (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
);
