-- Whether a stranger can cause such a letter at will (crates/store/src/origin.rs decides). Of strangers' letters so many are kept,
-- past which the oldest go; our own stay until a person has dealt with them.
alter table dead_letters add column stranger integer not null default 0;
update dead_letters set stranger = 1 where code in (
    'message_id_invalid', 'message_id_missing', 'body_too_large', 'body_malformed', 'body_invalid', 'schema_unknown',
    'type_unknown', 'type_differs', 'type_internal', 'reply_to_invalid', 'content_type_unknown',
    'content_encoding_unknown', 'bundle_refused', 'unroutable', 'expired', 'order_id_reused');
create index dead_letters_own on dead_letters (at, id) where status = 'open' and not stranger;
create index dead_letters_of_strangers on dead_letters (at, id) where status = 'open' and stranger;
-- What pruning takes: closed, and no part of an order's story.
create index dead_letters_forgettable on dead_letters (at) where status <> 'open' and (stranger or order_id is null);
-- How many letters of strangers went to make room for newer ones.
insert into meta (key, value) values ('letters_evicted', 0);
