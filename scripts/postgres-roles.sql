-- A login role for each worker that may do what this worker does, and nothing else.
--
-- Run by the owner of the tables (who may create roles) after `checkout migrate up`, and again after each upgrade;
-- it can be run any number of times:
--
--     psql "$OWNER_URL" -v ON_ERROR_STOP=1 -1 -f scripts/postgres-roles.sql
--
-- The roles get no passwords here: `\password checkout_order`, and so on. They are named checkout_order,
-- checkout_payment, …; `set checkout.role_prefix = 'shop_'` beforehand changes the prefix. The tables are those of
-- the first schema in the search path.
--
-- The owner migrates and no policy applies to it; no worker should log in as the owner.
--
-- The books of the mock provider and channels are in another schema, `world` or `<schema>_world`, if they exist
-- (`checkout migrate up` makes them): there, only roles that run or read the mock have rights.
do $roles$
declare
    prefix constant text := coalesce(nullif(current_setting('checkout.role_prefix', true), ''), 'checkout_');
    workers constant text[] := array['order', 'payment', 'stock', 'notification', 'saga', 'provider', 'email', 'sms'];
    others constant text[] := array['gateway', 'operator', 'timers', 'auditor'];
    records constant text := 'orders, submissions, audit, products, discounts, methods, carts, stock, holds, payments, wallets, notices, sagas';
    guarded constant text[] := array['journal', 'dead_letters', 'redelivery_stats', 'meta', 'deadlines'];
    -- The columns that change when a dead letter's message fails again; which message it is of stays.
    reburied constant text := 'name, speaker, cause, code, why, attempts, at, body, status, stranger';
    -- A row has the time at which its batch was taken: a slow provider answers all of a batch within ten minutes. A
    -- row that is refused because of its time is decided anew, with a new time.
    is_now constant text := 'at between now() - interval ''10 minutes'' and now() + interval ''1 minute''';
    world constant text := case when to_regnamespace(current_schema() || '_world') is null
                                then 'world' else current_schema() || '_world' end;
    worker text;
    role text;
    name text;
    keys text;
    types text[];
    found record;
begin
    -- Which rows a login sees and writes. Policies of an earlier version of this file are dropped, whatever their
    -- names are.
    foreach name in array guarded loop
        execute format('alter table %I enable row level security', name);
        for found in select policyname from pg_policies where schemaname = current_schema() and tablename = name
                     and (policyname = 'looks' or starts_with(policyname, prefix)) loop
            execute format('drop policy %I on %I', found.policyname, name);
        end loop;
    end loop;

    -- Before Postgres 15 every login may create tables here, and would migrate.
    execute format('revoke create on schema %I from public', current_schema());
    foreach worker in array workers || others loop
        role := quote_ident(prefix || worker);
        begin
            execute format('create role %s login', role);
        exception when duplicate_object or unique_violation then
            null; -- It is there already.
        end;
        execute format('revoke all on all tables in schema %I from %s', current_schema(), role);
        execute format('revoke all on all sequences in schema %I from %s', current_schema(), role);
        execute format('grant usage on schema %I to %s', current_schema(), role);
        -- To check whether the tables fit the program, and which roles are paused.
        execute format('grant select on _sqlx_migrations, meta, pauses to %s', role);
    end loop;

    -- Numbers about the whole: each login that may read the table sees them, except for the secret of idempotency
    -- keys.
    execute 'create policy looks on meta for select using (not starts_with(key, ''key_secret_''))';

    -- Each worker sees and writes its own rows of the journal, and parks what came by its own queues.
    foreach worker in array workers || array['gateway'] loop
        role := quote_ident(prefix || worker);
        execute format('grant select, insert on journal to %s', role);
        execute format('grant usage on journal_seq to %s', role);
        execute format('create policy %s on journal to %s using (role = %L) with check (role = %L and %s)',
            role, role, worker, worker, is_now);
        -- Statistics written beside the work; no decision depends on them.
        execute format('grant select, insert, update on redelivery_stats to %s', role);
        execute format('create policy %s on redelivery_stats to %s using (role = %L)', role, role, worker);
        execute format('grant select, insert, update (%s) on dead_letters to %s', reburied, role);
        execute format('create policy %s on dead_letters to %s using (queue = %L or (queue = ''intake'' and %L = ''order''))
            with check ((queue = %L or (queue = ''intake'' and %L = ''order'')) and status = ''open'')',
            role, role, worker, worker, worker, worker);
    end loop;

    -- Each worker's own tables. An entry of the audit trail is added and never changed.
    execute format('grant select, insert, update on orders, submissions, products, discounts, methods, carts to %I', prefix || 'order');
    execute format('grant select, insert on audit to %I', prefix || 'order');
    execute format('grant select, insert, update on stock, holds to %I', prefix || 'stock');
    execute format('grant select, insert, update on payments, wallets to %I', prefix || 'payment');
    execute format('grant select, insert, update on notices to %I', prefix || 'notification');
    execute format('grant select, insert, update on sagas to %I', prefix || 'saga');
    -- Workers that set deadlines.
    -- Each under keys of its own, and only what it may say itself: a deadline names the type of its message.
    foreach worker in array array['order', 'saga', 'payment'] loop
        role := quote_ident(prefix || worker);
        keys := case worker
            when 'order' then '^[0-9a-f-]{36}/held/'
            when 'saga' then '^[0-9a-f-]{36}(/return/[0-9]+)?$'
            else '^(payment|held)/' end;
        types := case worker
            when 'order' then array['order.held']
            when 'saga' then array['saga.overdue']
            else array['provider.query', 'payment.held'] end;
        execute format('grant select, insert, update, delete on deadlines to %s', role);
        execute format('create policy %s on deadlines to %s using (key ~ %L)
            with check (key ~ %L and message::json ->> ''name'' = any(%L::text[]))', role, role, keys, keys, types);
    end loop;
    foreach worker in array others loop
        role := quote_ident(prefix || worker);
        execute format('create policy %s on deadlines for select to %s using (true)', role, role);
    end loop;

    -- Customers and people read through the gateway; it changes nothing except by sending a message.
    execute format('grant select on %s, deadlines to %I', records, prefix || 'gateway');
    -- An order's story needs the rows of all roles.
    execute format('create policy looks on journal for select to %I using (true)', prefix || 'gateway');
    execute format('create policy looks on dead_letters for select to %I using (true)', prefix || 'gateway');
    execute format('create policy looks on redelivery_stats for select to %I using (true)', prefix || 'gateway');
    -- A gateway, which may also run as the operator, remembers which tokens were signed out and deletes those that
    -- have expired. It may write no other number.
    foreach worker in array array['gateway', 'operator'] loop
        role := quote_ident(prefix || worker);
        execute format('grant insert, delete on meta to %s', role);
        execute format('create policy %s on meta to %s using (starts_with(key, ''signed_out/''))', role, role);
        execute format('create policy %I on meta for select to %s using (starts_with(key, ''key_secret_''))',
            prefix || worker || '_keys', role);
    end loop;

    -- An operator reads everything, closes dead letters, and publishes messages again, as the role that was to send
    -- them.
    role := quote_ident(prefix || 'operator');
    execute format('grant select on %s, deadlines, redelivery_stats to %s', records, role);
    execute format('grant select, insert on journal to %s', role);
    execute format('grant usage on journal_seq to %s', role);
    execute format('create policy %s on journal to %s using (true)', role, role);
    execute format('grant select, insert, delete on pauses to %s', role);
    execute format('grant select, update (status) on dead_letters to %s', role);
    execute format('create policy %s on dead_letters to %s using (true)', role, role);
    execute format('create policy %s on redelivery_stats for select to %s using (true)', role, role);

    -- Publishes what is due, moves the mark, refills, prunes, imports dead letters from the broker, and lets the mock
    -- provider's events in, as the gateway would.
    role := quote_ident(prefix || 'timers');
    -- It postpones a deadline, and cannot change the deadline's message.
    execute format('grant select, update (due) on deadlines to %s', role);
    execute format('create policy %I on deadlines for update to %s using (true)', prefix || 'timers_again', role);
    execute format('grant select on orders, sagas to %s', role);
    execute format('grant select, usage on journal_seq to %s', role);
    -- What it lets in it journals as the gateway would; no row of the last day can be deleted, by pruning or
    -- otherwise.
    execute format('grant select, insert, delete on journal to %s', role);
    execute format('create policy %s on journal for select to %s using (true)', role, role);
    execute format('create policy %I on journal for insert to %s with check (role = ''gateway'' and %s)',
        prefix || 'timers_in', role, is_now);
    execute format('create policy %I on journal for delete to %s using (at < now() - interval ''1 day'')',
        prefix || 'timers_out', role);
    -- A message that the gateway let in and that is evicted as an outsider's letter counts as handled by that
    -- letter's reader, and by no other: only while the letter exists, open.
    execute format('create policy %I on journal for insert to %s with check (
            outcome like ''evicted: %%'' and emitted = ''[]'' and outbox = '''' and %s
            and exists (select 1 from dead_letters l where l.message_id = journal.message_id and l.status = ''open'' and l.stranger
                        and journal.role = case l.queue when ''intake'' then ''order'' else l.queue end)
            and exists (select 1 from journal g where g.message_id = journal.message_id and g.role = ''gateway''
                        and g.hash = journal.hash))',
        prefix || 'timers_evicts', role, is_now);
    execute format('grant select, insert, update, delete on redelivery_stats to %s', role);
    execute format('create policy %s on redelivery_stats to %s using (true) with check (role = ''gateway'')', role, role);
    execute format('grant update (value) on meta to %s', role);
    -- The settled part of the journal cannot extend beyond its last number.
    execute format('create policy %s on meta for update to %s using (key in (''mark'', ''next_mark'', ''next_mark_xid'', ''letters_evicted''))
            with check (value >= 0 and case key
                when ''mark'' then value <= (select last_value from journal_seq)
                when ''next_mark'' then value <= (select last_value from journal_seq)
                when ''next_mark_xid'' then value <= pg_current_xact_id()::text::bigint
                else key = ''letters_evicted'' and value < 1000000000000000 end)',
        role, role);
    -- It opens dead letters and closes none. It deletes letters that outsiders caused, and letters closed long ago.
    execute format('grant select, insert, update (%s), delete on dead_letters to %s', reburied, role);
    execute format('create policy %s on dead_letters for select to %s using (true)', role, role);
    execute format('create policy %I on dead_letters for insert to %s with check (status = ''open'')',
        prefix || 'timers_in', role);
    execute format('create policy %I on dead_letters for update to %s using (true) with check (status = ''open'')',
        prefix || 'timers_again', role);
    execute format('create policy %I on dead_letters for delete to %s using (stranger and status = ''open'' or status <> ''open'' and at < now() - interval ''1 day'')',
        prefix || 'timers_out', role);
    execute format('grant select, delete on submissions to %s', role);

    -- Reads everything, writes nothing.
    role := quote_ident(prefix || 'auditor');
    execute format('grant select on %s, journal, dead_letters, deadlines, redelivery_stats to %s', records, role);
    execute format('create policy %s on journal for select to %s using (true)', role, role);
    execute format('create policy %s on dead_letters for select to %s using (true)', role, role);
    execute format('create policy %s on redelivery_stats for select to %s using (true)', role, role);

    -- The mock world. With a real provider it does not exist.
    if to_regclass(format('%I.told', world)) is null then
        return;
    end if;
    foreach worker in array workers || others loop
        role := quote_ident(prefix || worker);
        execute format('revoke all on all tables in schema %I from %s', world, role);
        if worker in ('provider', 'email', 'sms') or worker = any(others) then
            execute format('grant usage on schema %I to %s', world, role);
            execute format('grant select on all tables in schema %I to %s', world, role);
        end if;
    end loop;
    execute format('grant insert, update on %1$I.charges, %1$I.told, %1$I.refunds, %1$I.events to %2$I', world, prefix || 'provider');
    execute format('grant insert on %1$I.sent to %2$I, %3$I', world, prefix || 'email', prefix || 'sms');
    -- The courier: it delivers events, and records failed posts.
    execute format('grant update on %1$I.events to %2$I', world, prefix || 'timers');
    execute format('grant insert, update on %1$I.posts to %2$I', world, prefix || 'timers');
end
$roles$;
