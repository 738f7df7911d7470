drop table discounts;
drop table products;
drop table audit;
drop table submissions;
drop table orders;
