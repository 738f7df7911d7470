drop table wallets;
