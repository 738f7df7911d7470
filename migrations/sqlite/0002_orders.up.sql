-- Every record table has one shape: the document as its worker wrote it, the version it stands at, and columns
-- that the database reads out of the document for people, indexes and checks. Money is in minor units.

-- An order, from submission to archive.
create table orders (
    id text primary key,
    version integer not null,
    doc text not null,
    -- These two never change: as real columns, set once, their indexes are not written again with every change.
    customer_id text,
    created_at text,
    status text generated always as (doc ->> 'status') virtual
        check (status in ('created', 'paid', 'fulfilled', 'cancelled', 'refunded', 'archived')),
    method text generated always as (doc ->> 'method') virtual,
    -- An amount always has all of its currency's digits ("12.30", "500"): without the point it is minor units.
    total_minor integer generated always as (cast(replace(doc ->> '$.total.amount', '.', '') as integer)) virtual
        check (total_minor >= 0),
    currency text generated always as (doc ->> '$.total.currency') virtual,
    updated_at text generated always as (doc ->> 'updated_at') virtual
);
create index orders_newest on orders (created_at);
create index orders_customer on orders (customer_id, created_at);

-- A submission that was refused, so that its sender can learn why.
create table submissions (
    id text primary key,
    version integer not null,
    doc text not null,
    customer_id text generated always as (doc ->> 'customer_id') virtual,
    code text generated always as (doc ->> 'code') virtual,
    at text generated always as (doc ->> 'at') virtual
);
create index submissions_newest on submissions (at);

-- One entry for each change of an order's state, numbered without gaps. Added, never changed.
create table audit (
    id text primary key,
    version integer not null,
    doc text not null,
    order_id text generated always as (doc ->> 'order_id') virtual,
    seq integer generated always as (doc ->> 'seq') virtual,
    at text generated always as (doc ->> 'at') virtual,
    "from" text generated always as (doc ->> 'from') virtual,
    "to" text generated always as (doc ->> 'to') virtual,
    "by" text generated always as (doc ->> 'by') virtual
);

create trigger audit_never_changes before update on audit
begin
    select raise(abort, 'audit entries never change');
end;

create trigger audit_never_deleted before delete on audit
begin
    select raise(abort, 'audit entries are never deleted');
end;

-- What can be bought, and for how much.
create table products (
    id text primary key,
    version integer not null,
    doc text not null,
    title text generated always as (doc ->> 'title') virtual,
    price_minor integer generated always as (cast(replace(doc ->> '$.price.amount', '.', '') as integer)) virtual
        check (price_minor >= 0),
    currency text generated always as (doc ->> '$.price.currency') virtual
);

-- Codes that take something off a total.
create table discounts (
    id text primary key,
    version integer not null,
    doc text not null,
    active integer generated always as (doc ->> 'active') virtual
);
