-- What was handled, by whom, and what was said because of it: inbox, outbox and history at once. A row is written
-- in the transaction that it tells of, and never again. `said` is a JSON array of
-- {"id", "name", "cause", "at", "to": [queues], "body": {…}}; `says` is the same as lines of "queue id", because
-- bodies come from outside and may hold what Postgres would not parse.
--
-- Text that is compared or sorted is in collation "C": the same order on every machine, and cheaper.
-- toast_tuple_target: rows of up to 8 kB stay in their page as they are. Compressing each would cost more than
-- all the rest of writing it.
create sequence journal_seq;

create table journal (
    -- The mark of crates/store/src/postgres/flight.rs relies on this: who takes a number has a transaction id before.
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
    said text not null,
    says text not null
) with (toast_tuple_target = 8160);
alter sequence journal_seq owned by journal.seq;
-- The id first: a plan that was made while there were few rows must not read all of a role's to find one.
create unique index journal_once on journal (message_id, role);
create index journal_order on journal (order_id, seq) where order_id is not null;

create function refuse() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0];
end $$;

-- The setting is made by the transaction that prunes, for itself alone; only the owner and `timers` may delete.
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

-- Undoes the statement it is called in unless all rows that it was sent for were met: a conflict like any other.
create function must_meet(met bigint, sent integer, what text) returns void language plpgsql as $$
begin
    if met <> sent then
        raise exception '% of % rows in % are not as they were', sent - met, sent, what
            using errcode = 'serialization_failure';
    end if;
end $$;

-- What must be said when a time has come, unless somebody clears it first.
create table deadlines (
    key text collate "C" primary key,
    due timestamptz not null,
    message text not null
) with (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index deadlines_due on deadlines (due, key);

-- Messages that could not be read, routed or handled, for a person to look at, replay or discard. The body is
-- kept as bytes: whatever came in may hold the one character that Postgres takes in no text, U+0000.
-- `select convert_from(body, 'UTF8') from dead_letters` shows the others.
create table dead_letters (
    id text collate "C" primary key,
    queue text not null,
    message_id text collate "C",
    name text not null,
    order_id uuid,
    cause text,
    code text not null,
    why text not null,
    attempts bigint not null,
    at timestamptz not null,
    body bytea not null,
    status text not null check (status in ('open', 'replayed', 'discarded'))
);
create index dead_letters_newest on dead_letters (at, id);
create index dead_letters_by_status on dead_letters (status, at, id);
create index dead_letters_open on dead_letters (message_id, queue) where status = 'open';
create index dead_letters_order on dead_letters (order_id) where status = 'open';

-- 'mark': up to this journal row nothing is in flight any more. 'settled_seq', 'settled_xid': the next mark, once
-- every transaction older than that id has ended. 'program_at_least': a program that does not know the migration
-- of this number cannot work on these tables any more (docs/operations.md, "Upgrading").
create table meta (
    key text primary key,
    value bigint not null
);
insert into meta (key, value) values
    ('mark', 0), ('settled_seq', 0), ('settled_xid', 0), ('program_at_least', 6);
