-- What an order has left among the dead letters, the closed ones too: a part of its story.
create index dead_letters_story on dead_letters (order_id, at) where order_id is not null;
