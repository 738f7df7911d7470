-- What was handled, by whom, and what was said because of it: inbox, outbox and history at once. A row is written
-- in the transaction that it tells of, and never again. `said` is a JSON array of
-- {"id", "name", "cause", "at", "to": [queues], "body": {…}}.
create table journal (
    -- autoincrement: a number is not given twice, even after the newest rows were pruned. The mark relies on it.
    seq integer primary key autoincrement,
    role text not null,
    message_id text not null,
    name text not null,
    hash text not null,
    order_id text,
    cause text,
    at text not null,
    outcome text not null,
    said text not null
);
create unique index journal_once on journal (role, message_id);
create index journal_order on journal (order_id) where order_id is not null;

-- Holds a row only inside the transaction that prunes: without one, the journal lets nothing be deleted.
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

-- What must be said when a time has come, unless somebody clears it first. `due` is in milliseconds since 1970.
create table deadlines (
    key text primary key,
    due integer not null,
    message text not null
);
create index deadlines_due on deadlines (due);

-- Messages that could not be read, routed or handled, for a person to look at, replay or discard.
create table dead_letters (
    id text primary key,
    queue text not null,
    message_id text,
    name text not null,
    order_id text,
    cause text,
    code text not null,
    why text not null,
    attempts integer not null,
    at text not null,
    body text not null,
    status text not null check (status in ('open', 'replayed', 'discarded'))
);
create index dead_letters_newest on dead_letters (status, at);
create index dead_letters_open on dead_letters (message_id, queue) where status = 'open';
create index dead_letters_order on dead_letters (order_id) where status = 'open';

-- 'mark': up to this journal row nothing is in flight any more.
create table meta (
    key text primary key,
    value integer not null
);
