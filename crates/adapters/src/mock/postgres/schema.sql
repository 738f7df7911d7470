-- The mock world's own schema: what a payment provider, mailboxes and phones would remember.
-- Keys are in the order of their bytes, as everywhere: the auditor reads both books side by side.
-- Its name is that of the session's search path, so that no statement has to be put together.
do $$ begin execute format('create schema if not exists %I', current_setting('search_path')); end $$;

-- ends_ms: from when on it is true; before that, and where outcome is 'never', the charge is pending.
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

-- transaction_id as it was asked for: it may be no charge's.
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

-- Events that were not told in the answer itself: a courier brings each `copies` times. While one has it in
-- hand its due time is moved on, so that the others leave it alone and it comes again if he dies.
create table if not exists events (
    id        text collate "C" primary key,
    due_ms    bigint not null,
    copies    bigint not null,
    body      text not null,
    delivered boolean not null default false
);

create index if not exists events_due on events (due_ms, id) where not delivered;

-- Letter boxes and phones. The address stands here in full, as it would there.
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

-- What became of posting an event to the shop's webhook, as long as it was in vain.
create table if not exists posts (
    event_id text collate "C" primary key references events (id),
    tries    bigint not null check (tries > 0),
    answer   text not null,
    at_ms    bigint not null,
    given_up boolean not null
);

-- Charges that events from outside told of before these books did, and what those call them. The name is somebody else's:
-- two orders may share it. Made last: where it is, all is.
create table if not exists told (
    key            text collate "C" primary key references charges (key),
    transaction_id text collate "C" not null
);

create index if not exists told_called on told (transaction_id);
