-- What was said without its cause and time cannot be read by programs from before: this gives them back.
insert into pruning (running) values (1);
drop trigger journal_never_changes;
update journal set said = (
    select json_group_array(json(iif(s.value ->> 'at' is null,
        json_set(s.value, '$.cause', message_id, '$.at', journal.at), s.value)))
    from json_each(said) s)
where said like '%"to":%';
create trigger journal_never_changes before update on journal
begin
    select raise(abort, 'journal rows never change');
end;
delete from pruning;
alter table orders add column method text generated always as (doc ->> 'method') virtual;
alter table orders add column currency text generated always as (doc ->> '$.total.currency') virtual;
alter table orders add column updated_at text generated always as (doc ->> 'updated_at') virtual;
alter table audit add column order_id text generated always as (doc ->> 'order_id') virtual;
alter table audit add column seq integer generated always as (doc ->> 'seq') virtual;
alter table audit add column at text generated always as (doc ->> 'at') virtual;
alter table audit add column "from" text generated always as (doc ->> 'from') virtual;
alter table audit add column "to" text generated always as (doc ->> 'to') virtual;
alter table audit add column "by" text generated always as (doc ->> 'by') virtual;
alter table holds add column status text generated always as (doc ->> 'status') virtual;
alter table payments add column status text generated always as (doc ->> 'status') virtual;
alter table payments add column currency text generated always as (doc ->> 'currency') virtual;
alter table notices add column order_id text generated always as (doc ->> 'order_id') virtual;
alter table notices add column event text generated always as (doc ->> 'event') virtual;
alter table sagas add column order_id text generated always as (doc ->> 'order_id') virtual;
alter table sagas add column customer_id text generated always as (doc ->> '$.subject.customer_id') virtual;
alter table sagas add column updated_at text generated always as (doc ->> 'updated_at') virtual;
