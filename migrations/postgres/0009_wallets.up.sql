-- Customers' stored payment methods: the provider's tokens, never a card's number. The table belongs to the payment
-- worker.
create table wallets (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
);
