-- How customers want to pay, by customer: the provider's tokens, never a card's number. It belongs to the payment worker.
create table wallets (
    id text collate "C" primary key,
    version bigint not null,
    doc text not null
);
