-- The secret that ids made from idempotency keys depend on. Every gateway reads it here, so all make the same ids.
insert into meta (key, value) values
    ('key_secret_0', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_1', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_2', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_3', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint);
-- Keys that were used before had ids without it; they are looked for as long as this row is there.
insert into meta (key, value) select 'keys_before', 1 where exists (select 1 from journal);
