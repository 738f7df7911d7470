-- A login role for each worker that may do what this worker does, and nothing else.
--
-- Run by the owner of the tables (who may create roles) after `checkout migrate up`, and again after each upgrade;
-- it can be run any number of times:
--
--     psql "$OWNER_URL" -v ON_ERROR_STOP=1 -1 -f scripts/postgres-roles.sql
--
-- The roles get no passwords here: `\password checkout_order`, and so on. They are called checkout_order,
-- checkout_payment, …; `set checkout.role_prefix = 'shop_'` beforehand calls them otherwise. The tables are those of
-- the first schema in the search path.
--
-- The owner migrates and is bound by nothing; no worker should log in as the owner.
do $roles$
declare
    prefix constant text := coalesce(nullif(current_setting('checkout.role_prefix', true), ''), 'checkout_');
    workers constant text[] := array['order', 'payment', 'stock', 'notification', 'saga', 'provider', 'email', 'sms'];
    others constant text[] := array['gateway', 'operator', 'timers', 'auditor'];
    records constant text := 'orders, submissions, audit, products, discounts, methods, carts, stock, holds, payments, wallets, notices, sagas';
    worker text;
    role text;
begin
    execute 'alter table journal enable row level security';
    execute 'alter table dead_letters enable row level security';

    foreach worker in array workers || others loop
        role := quote_ident(prefix || worker);
        begin
            execute format('create role %s login', role);
        exception when duplicate_object or unique_violation then
            null; -- It is there already.
        end;
        execute format('revoke all on all tables in schema %I from %s', current_schema(), role);
        execute format('revoke all on all sequences in schema %I from %s', current_schema(), role);
        execute format('drop policy if exists %s on journal', role);
        execute format('drop policy if exists %s on dead_letters', role);
        execute 'drop policy if exists looks on journal';
        execute 'drop policy if exists looks on dead_letters';
        execute format('grant usage on schema %I to %s', current_schema(), role);
        -- To see whether the tables fit the program, and who has to rest.
        execute format('grant select on _sqlx_migrations, meta, pauses to %s', role);
    end loop;

    -- Whoever handles messages sees and writes his own rows of the journal, and buries what came by his own queues.
    foreach worker in array workers || array['gateway'] loop
        role := quote_ident(prefix || worker);
        execute format('grant select, insert on journal to %s', role);
        execute format('grant usage on journal_seq to %s', role);
        execute format('create policy %s on journal to %s using (role = %L)', role, role, worker);
        -- Beside the work, and nobody decides by it.
        execute format('grant select, insert, update on echoes to %s', role);
        execute format('grant select, insert, update on dead_letters to %s', role);
        execute format('create policy %s on dead_letters to %s using (queue = %L or (queue = ''intake'' and %L = ''order''))',
            role, role, worker, worker);
    end loop;

    -- Everybody's own tables. An entry of the audit trail is added and never changed.
    execute format('grant select, insert, update on orders, submissions, products, discounts, methods, carts to %I', prefix || 'order');
    execute format('grant select, insert on audit to %I', prefix || 'order');
    execute format('grant select, insert, update on stock, holds to %I', prefix || 'stock');
    execute format('grant select, insert, update on payments, wallets to %I', prefix || 'payment');
    execute format('grant select, insert, update on notices to %I', prefix || 'notification');
    execute format('grant select, insert, update on sagas to %I', prefix || 'saga');
    -- The two that set deadlines.
    execute format('grant select, insert, update, delete on deadlines to %I, %I', prefix || 'saga', prefix || 'payment');

    -- Customers and people look through the gateway; it changes nothing but by saying a message.
    execute format('grant select on %s, deadlines to %I', records, prefix || 'gateway');
    -- An order's story is everybody's rows together.
    execute format('create policy looks on journal for select to %I using (true)', prefix || 'gateway');
    execute format('create policy looks on dead_letters for select to %I using (true)', prefix || 'gateway');

    -- An operator looks at everything, closes dead letters, and says messages again, in the name of whoever owes it.
    role := quote_ident(prefix || 'operator');
    execute format('grant select on %s, deadlines, echoes to %s', records, role);
    execute format('grant select, insert on journal to %s', role);
    execute format('grant usage on journal_seq to %s', role);
    execute format('create policy %s on journal to %s using (true)', role, role);
    execute format('grant select, insert, delete on pauses to %s', role);
    execute format('grant select, update on dead_letters to %s', role);
    execute format('create policy %s on dead_letters to %s using (true)', role, role);

    -- Publishes what is due, moves the mark, refills, prunes, takes in dead letters from the broker, and lets the mock
    -- provider's events in, as the gateway would.
    role := quote_ident(prefix || 'timers');
    execute format('grant select, update on deadlines to %s', role);
    execute format('grant select, insert, update, delete on echoes to %s', role);
    execute format('grant select on orders, sagas to %s', role);
    execute format('grant select, insert, delete on journal to %s', role);
    execute format('grant select, usage on journal_seq to %s', role);
    execute format('grant update on meta to %s', role);
    execute format('create policy %s on journal to %s using (true)', role, role);
    execute format('grant select, insert, update on dead_letters to %s', role);
    execute format('create policy %s on dead_letters to %s using (true)', role, role);

    -- Reads everything, writes nothing.
    role := quote_ident(prefix || 'auditor');
    execute format('grant select on %s, journal, dead_letters, deadlines, echoes to %s', records, role);
    execute format('create policy %s on journal for select to %s using (true)', role, role);
    execute format('create policy %s on dead_letters for select to %s using (true)', role, role);
end
$roles$;
