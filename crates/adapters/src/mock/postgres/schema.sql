-- The mock world's own schema: what a payment provider, mailboxes and phones would remember.
-- Keys are sorted by bytes, as everywhere: the auditor reads both books side by side.
-- The schema's name is that of the session's search path, so that no statement has to be composed.
do $$ begin execute format('create schema if not exists %I', current_setting('search_path')); end $$;

-- ends_ms: from when on the outcome is true; before that, and where outcome is 'never', the charge is pending.
create table if not exists charges (
    key            text collate "C" primary key,
    reference      text collate "C" not null,
    transaction_id text collate "C" not null unique,
    amount_minor   bigint not null check (amount_minor >= 0),
    currency       text not null,
    outcome        text not null check (outcome in ('succeeded', 'failed', 'never')),
    failure_code   text check ((outcome = 'failed') = (failure_code is not null)),
    ends_ms        bigint check ((outcome = 'never') = (ends_ms is null)),
    told_times     bigint not null,
    refunds        text not null check (refunds in ('succeed', 'first_fails', 'all_fail')),
    refunded_minor bigint not null default 0 check (refunded_minor between 0 and amount_minor),
    refunds_failed bigint not null default 0
);

-- transaction_id as it was asked for: no charge may have it.
create table if not exists refunds (
    key            text collate "C" primary key,
    id             text collate "C" not null unique,
    reference      text collate "C" not null,
    transaction_id text not null,
    amount_minor   bigint not null check (amount_minor >= 0),
    currency       text not null,
    failure_code   text,
    told_ms        bigint not null
);

-- Events that were not told in the answer itself: a courier delivers each `copies` times. When a courier takes an
-- event, its due time is moved on, so that other couriers leave it alone and it comes again if that courier dies.
create table if not exists events (
    id        text collate "C" primary key,
    due_ms    bigint not null,
    copies    bigint not null,
    body      text not null,
    delivered boolean not null default false
);

create index if not exists events_due on events (due_ms, id) where not delivered;

-- Mailboxes and phones. The address is stored in full, as it would be there.
create table if not exists sent (
    no      bigint generated always as identity primary key,
    channel text not null check (channel in ('email', 'sms')),
    key     text collate "C" not null,
    address text not null,
    subject text,
    body    text not null,
    at_ms   bigint not null,
    unique (channel, key)
);

-- The failed posts of an event to the shop's webhook.
create table if not exists posts (
    event_id text collate "C" primary key references events (id),
    tries    bigint not null check (tries > 0),
    answer   text not null,
    at_ms    bigint not null,
    given_up boolean not null
);

-- Charges that events from outside told of before these books did, and the ids those gave them. Such an id is not
-- unique: two orders may share it. This table is created last: if it exists, all do.
create table if not exists told (
    key            text collate "C" primary key references charges (key),
    transaction_id text collate "C" not null
);

create index if not exists told_called on told (transaction_id);
