// Keeps so many orders in flight, and prints how fast they were fulfilled: `node drive.mjs PEER IN_FLIGHT SECONDS`,
// where PEER is dbos, restate-objects or restate-handler.
//
// A new order is submitted when one is fulfilled (closed loop, as `checkout load --in-flight`); latency is from
// submit to fulfilled. Orders of the first seconds warm up and are not measured. Before, an order whose card is
// declined and one that cannot be shipped must leave no trace; afterwards, every order must be fulfilled, the stock
// and the provider's money must add up, and each customer must have got both notices. Any difference fails the run.
import assert from "node:assert/strict";
import http from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { ON_HAND, order, priced, SKUS } from "./shop.mjs";

const WARM_UP_MS = 3000;
const PATIENCE_MS = 20_000;

const restate = async (workflow) => {
  const { hostname, port } = new URL(process.env.PEERS_RESTATE_URL);
  const agent = new http.Agent({ keepAlive: true });
  const call = (path, body) => new Promise((done, failed) => {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const request = http.request({ hostname, port, path, method: "POST", headers, agent }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => answer.statusCode === 200
        ? done(text && JSON.parse(text)) : failed(new Error(`${path}: ${answer.statusCode} ${text}`)));
    });
    request.on("error", failed).end(body === undefined ? undefined : JSON.stringify(body));
  });
  const ofAll = (what) => Promise.all(SKUS.map(async (sku) => ({ sku, ...await call(`/product/${sku}/${what}`) })));
  if (workflow === "objects") await ofAll("restock");
  else await call("/outside/setUp");
  return {
    submit: (order) => call(`/${workflow}/${order.id}/run`, order),
    stock: () => workflow === "objects" ? ofAll("look") : call("/outside/look"),
    books: () => call("/outside/books"),
    close: async () => agent.destroy(),
  };
};

const PEERS = {
  dbos: async () => (await import("./dbos.mjs")).open(),
  "restate-objects": () => restate("objects"),
  "restate-handler": () => restate("handler"),
};

const untouched = SKUS.map((sku) => ({ sku, free: ON_HAND, held: 0, sold: 0 }));
const bySku = (stock) => new Map(stock.map(({ sku, free, held, sold }) => [sku, { free, held, sold }]));

// Refused before anything is sold: nothing may be left of it.
const refusalsAreUndone = async (shop) => {
  const before = await shop.books();
  assert.equal(await shop.submit(order(0, { card: "tok_declined" })), "the card is declined");
  assert.equal(await shop.submit(order(0, { unshippable: true })), "the shelf has less than the books");
  assert.deepEqual(bySku(await shop.stock()), bySku(untouched));
  assert.deepEqual(await shop.books(), before);
};

const addsUp = async (shop, before, orders) => {
  const expected = bySku(untouched);
  for (const { lines } of orders) {
    for (const { sku, quantity } of lines) {
      expected.get(sku).free -= quantity;
      expected.get(sku).sold += quantity;
    }
  }
  assert.deepEqual(bySku(await shop.stock()), expected);
  const told = before.told + 2 * orders.length;
  for (const end = Date.now() + PATIENCE_MS; (await shop.books()).told < told && Date.now() < end;) await pause(100);
  const kept = before.kept_cents + orders.reduce((sum, { lines }) => sum + priced(lines), 0);
  assert.deepEqual(await shop.books(), { kept_cents: kept, told });
};

const measure = async (shop, inFlight, seconds) => {
  const orders = [];
  const latencies = [];
  const start = performance.now() + WARM_UP_MS;
  const end = start + seconds * 1000;
  const place = async () => {
    while (performance.now() < end) {
      const next = order(orders.length);
      orders.push(next);
      const submitted = performance.now();
      assert.equal(await shop.submit(next), "fulfilled");
      const now = performance.now();
      if (now >= start && now < end) latencies.push(now - submitted);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, place));
  return { orders, latencies: latencies.sort((one, other) => one - other) };
};

const round = (number) => Math.round(number * 10) / 10;

const main = async ([name, inFlight, seconds]) => {
  // A peer that retries for ever ends the run.
  setTimeout(() => {
    console.error(`${name}: not done within ${PATIENCE_MS / 1000} s more than it should take`);
    process.exit(1);
  }, WARM_UP_MS + seconds * 1000 + PATIENCE_MS).unref();
  const shop = await PEERS[name]();
  await refusalsAreUndone(shop);
  const before = await shop.books();
  const { orders, latencies } = await measure(shop, Number(inFlight), Number(seconds));
  await addsUp(shop, before, orders);
  await shop.close();
  const at = (share) => round(latencies[Math.floor(share * latencies.length)]);
  console.log(JSON.stringify({ orders: latencies.length, orders_per_second: round(latencies.length / seconds),
    latency_ms: { p50: at(0.5), p99: at(0.99) } }));
};

await main(process.argv.slice(2));
