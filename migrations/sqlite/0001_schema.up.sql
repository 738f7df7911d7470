-- All tables of a shop.

-- ---- the journal: inbox, outbox and history ---------------------------------------------------------------------

-- One row for each message that a role has handled, written in the transaction that handled it, and never changed.
create table journal (
    -- autoincrement: no number is given twice, even after the newest rows were pruned. The mark relies on it.
    seq integer primary key autoincrement,
    role text not null,
    message_id text not null,
    name text not null,
    hash text not null,
    order_id text,
    cause text,
    at text not null,
    outcome text not null,
    -- All messages that it led to, a JSON array of {"id", "name", "by", "cause", "at", "to": [queues], "body": {…}}.
    -- `cause` and `at` are left out where they are the row's own message_id and time, `by` where the name tells it.
    emitted text not null,
    -- Those of them that left for a queue, because the same transaction did not handle them: a JSON array of "queue id".
    outbox text not null
);
create unique index journal_once on journal (role, message_id);
create index journal_order on journal (order_id) where order_id is not null;

-- Holds a row only inside the transaction that prunes; without one, no journal row can be deleted.
create table pruning (running integer primary key check (running = 1));

create trigger journal_never_changes before update on journal
begin
    select raise(abort, 'journal rows never change');
end;

create trigger journal_only_pruned before delete on journal
when not exists (select 1 from pruning)
begin
    select raise(abort, 'journal rows are only deleted by pruning');
end;

-- ---- beside the journal -----------------------------------------------------------------------------------------

-- Messages that are sent at a time, unless the deadline is cleared before. `due` is in milliseconds since 1970.
create table deadlines (
    key text primary key,
    due integer not null,
    message text not null
);
create index deadlines_due on deadlines (due);

-- Messages that could not be read, routed or handled, for an operator to examine, replay or discard.
create table dead_letters (
    id text primary key,
    queue text not null,
    message_id text,
    name text not null,
    -- Who sent the message, as far as that is proven. A replay does not change it.
    speaker text not null default 'outsider',
    order_id text,
    cause text,
    code text not null,
    why text not null,
    attempts integer not null,
    at text not null,
    body text not null,
    status text not null check (status in ('open', 'replayed', 'discarded')),
    -- Whether a stranger can cause such a letter at will (crates/store/src/origin.rs decides). Only a limited number of
    -- these is kept, the newest; our own stay until an operator has dealt with them.
    stranger integer not null default 0
);
create index dead_letters_newest on dead_letters (status, at);
create index dead_letters_open on dead_letters (message_id, queue) where status = 'open';
create index dead_letters_order on dead_letters (order_id) where status = 'open';
-- Closed letters too: they are part of the order's story.
create index dead_letters_story on dead_letters (order_id, at) where order_id is not null;
create index dead_letters_own on dead_letters (at, id) where status = 'open' and not stranger;
create index dead_letters_of_strangers on dead_letters (at, id) where status = 'open' and stranger;
-- What pruning deletes: closed, and part of no order's story.
create index dead_letters_forgettable on dead_letters (at) where status <> 'open' and (stranger or order_id is null);

create trigger dead_letters_stay_own before update on dead_letters when new.stranger and not old.stranger
begin
    select raise(abort, 'a dead letter of our own stays our own');
end;

-- How often a message was redelivered without effect, and how often handling it failed before it succeeded: for an
-- order's story. Not written in the transactions that handle messages.
create table redelivery_stats (
    role text not null,
    message_id text not null,
    order_id text not null,
    repeats integer not null,
    failures integer not null,
    -- The reason of the last failure.
    why text not null,
    primary key (role, message_id)
) without rowid;
create index redelivery_stats_order on redelivery_stats (order_id);

-- Paused roles. Who paused and resumed what, and why, is in the journal.
create table pauses (
    role text primary key,
    paused_by text not null,
    why text not null,
    at text not null
);

-- 'mark': the journal row up to which nothing is in flight.
-- 'letters_evicted': how many letters of strangers were deleted to make room for newer ones.
-- 'key_secret_0' to 'key_secret_3': the secret from which ids of idempotency keys are made.
create table meta (
    key text primary key,
    value integer not null
);
insert into meta (key, value) values
    ('letters_evicted', 0),
    ('key_secret_0', random()),
    ('key_secret_1', random()),
    ('key_secret_2', random()),
    ('key_secret_3', random());

-- ---- records ----------------------------------------------------------------------------------------------------
--
-- Every table of records has the same shape: the document as its worker wrote it, its version, and columns for indexes,
-- checks and people. Money is in minor units. The program fills the columns of what every order writes
-- (crates/store/src/columns.rs): SQLite would read the document again for each generated column, at a seventh of the time
-- of all writing. Tables that are seldom written have generated columns.

-- An order, from submission to archive. Owner: order.
create table orders (
    id text primary key,
    version integer not null,
    doc text not null,
    -- These two never change.
    customer_id text,
    created_at text,
    status text check (status in ('created', 'paid', 'fulfilled', 'cancelled', 'refunded', 'archived')),
    total_minor integer check (total_minor >= 0)
);
create index orders_newest on orders (created_at);
create index orders_customer on orders (customer_id, created_at);
-- Cancelled, refunded and archived orders are few among millions; no step of an order that goes well writes this index.
create index orders_ended on orders (status, created_at, id)
    where status in ('cancelled', 'refunded', 'archived');

-- A submission that was rejected, so that its sender can learn why. Owner: order.
create table submissions (
    id text primary key,
    version integer not null,
    doc text not null,
    customer_id text generated always as (doc ->> 'customer_id') virtual,
    code text generated always as (doc ->> 'code') virtual,
    at text generated always as (doc ->> 'at') virtual
);
create index submissions_newest on submissions (at);

-- One entry for each change of an order's state, numbered without gaps. Never changed. Owner: order.
create table audit (
    id text primary key,
    version integer not null,
    doc text not null
);

create trigger audit_never_changes before update on audit
begin
    select raise(abort, 'audit entries never change');
end;

create trigger audit_never_deleted before delete on audit
begin
    select raise(abort, 'audit entries are never deleted');
end;

-- What can be bought, and for how much. Owner: order.
create table products (
    id text primary key,
    version integer not null,
    doc text not null,
    title text generated always as (doc ->> 'title') virtual,
    -- An amount always has all digits of its currency ("12.30", "500"): without the point it is minor units.
    price_minor integer generated always as (cast(replace(doc ->> '$.price.amount', '.', '') as integer)) virtual
        check (price_minor >= 0),
    currency text generated always as (doc ->> '$.price.currency') virtual
);

-- Discount codes. Owner: order.
create table discounts (
    id text primary key,
    version integer not null,
    doc text not null,
    active integer generated always as (doc ->> 'active') virtual
);

-- Payment methods that were paused or resumed at least once. Owner: order.
create table methods (
    id text primary key,
    version integer not null,
    doc text not null,
    paused integer generated always as (doc ->> 'paused') virtual
);

-- What customers have put into their carts, by customer. Owner: order.
create table carts (
    id text primary key,
    version integer not null,
    doc text not null,
    updated_at text generated always as (doc ->> 'updated_at') virtual
);

-- How many there are of each product, and how many of them are reserved for orders. Owner: stock.
create table stock (
    id text primary key,
    version integer not null,
    doc text not null,
    on_hand integer not null check (on_hand >= 0),
    reserved integer not null check (reserved >= 0)
);

-- What is reserved for an order: all of its lines or none. Owner: stock.
create table holds (
    id text primary key,
    version integer not null,
    doc text not null
);

-- What was captured for an order and what of it was refunded. Owner: payment.
create table payments (
    id text primary key,
    version integer not null,
    doc text not null,
    captured_minor integer not null check (captured_minor >= 0),
    refunded_minor integer not null check (refunded_minor >= 0),
    check (refunded_minor <= captured_minor)
);

-- Payment methods that customers have stored, by customer: the provider's tokens, never card numbers. Owner: payment.
create table wallets (
    id text primary key,
    version integer not null,
    doc text not null,
    updated_at text generated always as (doc ->> 'updated_at') virtual
);

-- One event of one order, and the channels that its notice was handed to. Owner: notification.
create table notices (
    id text primary key,
    version integer not null,
    doc text not null
);

-- Where an order (or one of its returns) stands in its steps, and what it waits for. The id of a checkout's saga is the
-- order's; a return's begins with it. Owner: saga.
create table sagas (
    id text primary key,
    version integer not null,
    doc text not null,
    -- Never changes.
    created_at text,
    status text
);
create index sagas_newest on sagas (created_at);
-- The few that wait for an operator, among millions.
create index sagas_waiting on sagas (created_at) where status = 'needs_attention';
