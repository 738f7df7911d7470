-- All tables of a shop.
--
-- Text that is compared or sorted has the collation "C": the same order on every machine, and cheaper.
-- toast_tuple_target: rows of up to 8 kB stay in their page uncompressed; compressing them would cost more than all the
-- rest of writing them.
-- fillfactor: a new version of a row finds room in the row's page, and if no indexed column changes, no index is written
-- (HOT).

-- ---- the journal: inbox, outbox and history ---------------------------------------------------------------------

create sequence journal_seq;

-- One row for each message that a role has handled, written in the transaction that handled it, and never changed.
create table journal (
    -- The mark (crates/store/src/postgres/flight.rs) relies on this: a transaction has its id before it takes a number.
    seq bigint primary key
        default case when pg_current_xact_id() is not null then nextval('journal_seq') end,
    role text collate "C" not null,
    message_id text collate "C" not null,
    name text not null,
    hash uuid not null,
    order_id uuid,
    cause text,
    at timestamptz not null,
    outcome text not null,
    -- All messages that it led to, a JSON array of {"id", "name", "by", "cause", "at", "to": [queues], "body": {…}}.
    -- `cause` and `at` are left out where they are the row's own message_id and time, `by` where the name tells it.
    emitted text not null,
    -- Those of them that left for a queue, because the same transaction did not handle them: a line "queue id" each.
    -- A column of its own, because a body may contain text that Postgres would not parse as JSON.
    outbox text not null,
    constraint journal_id_fits check (octet_length(message_id) between 1 and 255),
    constraint journal_time_fits check (isfinite(at))
) with (toast_tuple_target = 8160);
alter sequence journal_seq owned by journal.seq;
-- The id first: a query plan made while the table was small must not read all rows of a role to find one.
create unique index journal_once on journal (message_id, role);
create index journal_order on journal (order_id, seq) where order_id is not null;

create function refuse() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0];
end $$;

-- The transaction that prunes sets this for itself; only the owner and the login of `timers` may delete.
create function refuse_but_pruning() returns trigger language plpgsql as $$
begin
    if current_setting('checkout.pruning', true) is distinct from 'on' then
        raise exception 'journal rows are only deleted by pruning';
    end if;
    return null;
end $$;

create trigger journal_never_changes before update or truncate on journal
    for each statement execute function refuse('journal rows never change');
create trigger journal_only_pruned before delete on journal
    for each statement execute function refuse_but_pruning();

-- Fails its statement with a conflict unless all rows that were sent matched one in the table.
create function must_meet(met bigint, sent integer, what text) returns void language plpgsql as $$
begin
    if met <> sent then
        raise exception '% of % rows in % are not as they were', sent - met, sent, what
            using errcode = 'serialization_failure';
    end if;
end $$;

-- ---- beside the journal -----------------------------------------------------------------------------------------

-- Messages that are sent at a time, unless the deadline is cleared before.
create table deadlines (
    key text collate "C" primary key,
    due timestamptz not null constraint deadlines_time_fits check (isfinite(due)),
    message text not null
) with (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index deadlines_due on deadlines (due, key);

-- Messages that could not be read, routed or handled, for an operator to examine, replay or discard. The body is bytes,
-- because it may hold U+0000, which Postgres accepts in no text: `select convert_from(body, 'UTF8') from dead_letters`.
create table dead_letters (
    id text collate "C" primary key,
    queue text not null,
    message_id text collate "C",
    name text not null,
    -- Who sent the message, as far as that is proven. A replay does not change it.
    speaker text not null default 'outsider',
    order_id uuid,
    cause text,
    code text not null,
    why text not null,
    attempts bigint not null,
    at timestamptz not null constraint dead_letters_time_fits check (isfinite(at)),
    body bytea not null,
    status text not null check (status in ('open', 'replayed', 'discarded')),
    -- Whether a stranger can cause such a letter at will (crates/store/src/origin.rs decides). Only a limited number of
    -- these is kept, the newest; our own stay until an operator has dealt with them.
    stranger boolean not null default false
);
create index dead_letters_newest on dead_letters (at, id);
create index dead_letters_by_status on dead_letters (status, at, id);
create index dead_letters_open on dead_letters (message_id, queue) where status = 'open';
create index dead_letters_order on dead_letters (order_id) where status = 'open';
-- Closed letters too: they are part of the order's story.
create index dead_letters_story on dead_letters (order_id, at) where order_id is not null;
create index dead_letters_own on dead_letters (at, id) where status = 'open' and not stranger;
create index dead_letters_of_strangers on dead_letters (at, id) where status = 'open' and stranger;
-- What pruning deletes: closed, and part of no order's story.
create index dead_letters_forgettable on dead_letters (at) where status <> 'open' and (stranger or order_id is null);

-- Otherwise a login that may write letters could have ours evicted.
create function own_letter_stays_own() returns trigger language plpgsql as $$
begin
    raise exception 'a dead letter of our own stays our own';
end $$;
create trigger dead_letters_stay_own before update on dead_letters
    for each row when (new.stranger and not old.stranger) execute function own_letter_stays_own();

-- How often a message was redelivered without effect, and how often handling it failed before it succeeded: for an
-- order's story. Not written in the transactions that handle messages.
create table redelivery_stats (
    role text collate "C" not null,
    message_id text collate "C" not null,
    order_id uuid not null,
    repeats bigint not null,
    failures bigint not null,
    -- The reason of the last failure.
    why text not null,
    primary key (message_id, role)
);
create index redelivery_stats_order on redelivery_stats (order_id);

-- Paused roles. Who paused and resumed what, and why, is in the journal.
create table pauses (
    role text collate "C" primary key,
    paused_by text not null,
    why text not null,
    at timestamptz not null
);

-- 'mark': the journal row up to which nothing is in flight.
-- 'next_mark', 'next_mark_xid': becomes the mark once every transaction older than that id has ended.
-- 'program_at_least': the migration that a program must know to work on these tables (docs/reference.md, "Upgrading").
-- 'letters_evicted': how many letters of strangers were deleted to make room for newer ones.
-- 'key_secret_0' to 'key_secret_3': the secret from which ids of idempotency keys are made, the same for every gateway.
create table meta (
    key text primary key,
    value bigint not null
);
insert into meta (key, value) values
    ('mark', 0), ('next_mark', 0), ('next_mark_xid', 0), ('program_at_least', 1), ('letters_evicted', 0),
    ('key_secret_0', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_1', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_2', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_3', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint);

-- ---- records ----------------------------------------------------------------------------------------------------
--
-- Every table of records has the same shape: the document as its worker wrote it, its version, and columns for indexes,
-- checks and people. Money is in minor units. The program fills the columns (crates/store/src/columns.rs): generated
-- columns would cost five times as much, because each parses the document again (44 µs against 8 for an order).

-- An order, from submission to archive. Owner: order.
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
    updated_at text collate "C",
    -- Cancelled, refunded and archived orders are few among millions. Null for all others, so that no step of an order
    -- that goes well writes this column's index.
    ended text collate "C"
        generated always as (case when status in ('cancelled', 'refunded', 'archived') then status end) stored
) with (fillfactor = 40, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
create index orders_newest on orders (created_at, id);
-- Without the id: the only index with entries all over its pages, since any customer may order next. So it has a third
-- fewer pages to read and to log; orders of the same millisecond are sorted when they are read.
create index orders_customer on orders (customer_id, created_at);
create index orders_ended on orders (ended, created_at, id) where ended is not null;

-- A submission that was rejected, so that its sender can learn why. Owner: order.
create table submissions (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (toast_tuple_target = 8160);

-- One entry for each change of an order's state, numbered without gaps. Never changed. Owner: order.
create table audit (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (toast_tuple_target = 8160);
create trigger audit_never_changes before update or delete or truncate on audit
    for each statement execute function refuse('audit entries never change');

-- What can be bought, and for how much. Owner: order.
create table products (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    price_minor bigint check (price_minor >= 0),
    currency text
);

-- Discount codes. Owner: order.
create table discounts (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
);

-- Payment methods that were paused or resumed at least once. Owner: order.
create table methods (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
);

-- What customers have put into their carts, by customer. Owner: order.
create table carts (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (fillfactor = 60, toast_tuple_target = 8160);

-- How many there are of each product, and how many of them are reserved for orders. Owner: stock. The few rows that sell
-- best are written hundreds of times a second: most of a page is room for their next versions.
create table stock (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    on_hand bigint not null check (on_hand >= 0),
    reserved bigint not null check (reserved >= 0)
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- What is reserved for an order: all of its lines or none. Owner: stock.
create table holds (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (fillfactor = 50, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);

-- What was captured for an order and what of it was refunded. Owner: payment.
create table payments (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    status text,
    currency text,
    captured_minor bigint not null check (captured_minor >= 0),
    refunded_minor bigint not null check (refunded_minor >= 0),
    check (refunded_minor <= captured_minor)
) with (fillfactor = 45, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);

-- Payment methods that customers have stored, by customer: the provider's tokens, never card numbers. Owner: payment.
create table wallets (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
);

-- One event of one order, and the channels that its notice was handed to. Owner: notification.
create table notices (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
) with (toast_tuple_target = 8160);

-- Where an order (or one of its returns) stands in its steps, and what it waits for. The id of a checkout's saga is the
-- order's; a return's begins with it. Owner: saga.
create table sagas (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null,
    -- Never changes.
    created_at text collate "C",
    customer_id text collate "C",
    status text,
    -- Not the status itself, because it is indexed: a saga that only moves on changes no indexed column.
    waiting boolean generated always as (status is not distinct from 'needs_attention') stored
) with (fillfactor = 50, toast_tuple_target = 8160,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
create index sagas_newest on sagas (created_at, id);
-- The few that wait for an operator, among millions.
create index sagas_waiting on sagas (created_at, id) where waiting;
