drop table sagas, notices, wallets, payments, holds, stock, carts, methods, discounts, products, audit, submissions, orders;
drop table meta, pauses, redelivery_stats, dead_letters, deadlines, journal;
drop function own_letter_stays_own(), must_meet(bigint, integer, text), refuse_but_pruning(), refuse();
