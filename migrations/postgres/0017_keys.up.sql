-- The secret from which ids of idempotency keys are derived. Every gateway reads it here, so all derive the same ids.
insert into meta (key, value) values
    ('key_secret_0', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_1', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_2', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint),
    ('key_secret_3', ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint);
-- Keys that were used before had ids without it; they are looked up as well while this row exists.
insert into meta (key, value) select 'keys_before', 1 where exists (select 1 from journal);
