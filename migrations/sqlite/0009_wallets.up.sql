-- How customers want to pay, by customer: the provider's tokens, never a card's number. It belongs to the payment worker.
create table wallets (
    id text primary key,
    version integer not null,
    doc text not null,
    updated_at text generated always as (doc ->> 'updated_at') virtual
);
