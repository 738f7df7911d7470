// The shop's tables in Postgres, for DBOS and for Restate's leaner variant.
//
// Rows are locked in the order of their SKUs, or two orders for the same two products could wait for each other.
import { ON_HAND, SKUS } from "./shop.mjs";

// With the client's default of 10 connections. For DBOS at 64 in flight, 20 and 40 were slower.
export const connection = (url) => {
  const { hostname, port, username, password, pathname } = new URL(url);
  return { host: hostname, port: Number(port || 5432), username, password, database: pathname.slice(1),
    onnotice: () => {} };
};

export const setUp = async (sql) => {
  await sql.unsafe(`
    drop table if exists orders, stock;
    create table orders (id uuid primary key, customer text not null, lines jsonb not null,
      total_cents bigint not null, status text not null);
    create table stock (sku text primary key, price_cents bigint not null, free bigint not null check (free >= 0),
      held bigint not null check (held >= 0), sold bigint not null)`);
  await sql`insert into stock select sku, 999, ${ON_HAND}, 0, 0 from unnest(${SKUS}::text[]) sku`;
};

export const create = async (sql, { id, customer, lines }) => {
  const [{ total }] = await sql`
    insert into orders
    select ${id}, ${customer}, ${sql.json(lines)}, sum(price_cents * quantity), 'created'
    from unnest(${lines.map((line) => line.sku)}::text[], ${lines.map((line) => line.quantity)}::bigint[])
      line (sku, quantity) join stock using (sku)
    on conflict (id) do update set status = orders.status
    returning total_cents::int as total`;
  return total;
};

// One statement for all lines.
const change = (sql, lines, { free, held, sold }) => sql`
  with locked as materialized (
    select sku, quantity
    from stock join unnest(${lines.map((line) => line.sku)}::text[], ${lines.map((line) => line.quantity)}::bigint[])
      line (sku, quantity) using (sku)
    order by sku for update of stock)
  update stock set free = free + ${free} * quantity, held = held + ${held} * quantity, sold = sold + ${sold} * quantity
  from locked where stock.sku = locked.sku`;

export const reserve = (sql, lines) => change(sql, lines, { free: -1, held: 1, sold: 0 });
export const release = (sql, lines) => change(sql, lines, { free: 1, held: -1, sold: 0 });
export const ship = (sql, lines) => change(sql, lines, { free: 0, held: -1, sold: 1 });

export const mark = (sql, id, status) => sql`update orders set status = ${status} where id = ${id}`;

// For peers that may run a step twice: whether the order went from one of these statuses to the other just now.
export const moves = async (sql, id, from, to) =>
  (await sql`update orders set status = ${to} where id = ${id} and status = any(${from})`).count === 1;

export const look = (sql) => sql`select sku, free::int, held::int, sold::int from stock`;
