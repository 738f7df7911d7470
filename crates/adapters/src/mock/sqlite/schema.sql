-- The mock world's own file: what a payment provider, mailboxes and phones would remember.

-- ends_ms: from when on the outcome is true; before that, and where outcome is 'never', the charge is pending.
create table if not exists charges (
    key            text primary key,
    reference      text not null,
    transaction_id text not null unique,
    amount_minor   integer not null check (amount_minor >= 0),
    currency       text not null,
    outcome        text not null check (outcome in ('succeeded', 'failed', 'never')),
    failure_code   text check ((outcome = 'failed') = (failure_code is not null)),
    ends_ms        integer check ((outcome = 'never') = (ends_ms is null)),
    told_times     integer not null,
    refunds        text not null check (refunds in ('succeed', 'first_fails', 'all_fail')),
    refunded_minor integer not null default 0 check (refunded_minor between 0 and amount_minor),
    refunds_failed integer not null default 0
) strict, without rowid;

-- Charges that events from outside told of before these books did, and the ids those gave them. Such an id is not
-- unique: two orders may share it.
create table if not exists told (
    key            text primary key references charges (key),
    transaction_id text not null
) strict, without rowid;

create index if not exists told_called on told (transaction_id);

-- transaction_id as it was asked for: no charge may have it.
create table if not exists refunds (
    key            text primary key,
    id             text not null unique,
    reference      text not null,
    transaction_id text not null,
    amount_minor   integer not null check (amount_minor >= 0),
    currency       text not null,
    failure_code   text,
    told_ms        integer not null
) strict, without rowid;

-- Events that were not told in the answer itself: a courier delivers each `copies` times.
create table if not exists events (
    id        text primary key,
    due_ms    integer not null,
    copies    integer not null,
    body      text not null,
    delivered integer not null default 0 check (delivered in (0, 1))
) strict, without rowid;

-- The failed posts of an event to the shop's webhook.
create table if not exists posts (
    event_id text primary key references events (id),
    tries    integer not null check (tries > 0),
    answer   text not null,
    at_ms    integer not null,
    given_up integer not null check (given_up in (0, 1))
) strict, without rowid;

create index if not exists events_due on events (due_ms) where delivered = 0;

-- Mailboxes and phones. The address is stored in full, as it would be there.
create table if not exists sent (
    no      integer primary key,
    channel text not null check (channel in ('email', 'sms')),
    key     text not null,
    address text not null,
    subject text,
    body    text not null,
    at_ms   integer not null,
    unique (channel, key)
) strict;
