// The checkout on Restate, in two ways; `node restate.mjs PORT` serves both.
//
// `objects` is as its guides advise: a workflow for each order with a list of what is to be undone, a virtual object for
// each product (it takes one call after the other and keeps its stock in Restate), payment as a side effect under a key
// that stays the same when it is repeated, notices as one-way calls to a service of their own. An order's products are
// asked at the same time; prices are read from memory.
//
// `handler` is leaner: the same workflow with side effects only, and the shop's tables in Postgres. Each change
// checks the order's status in the same commit, as the guide on databases advises, because a side effect may run
// twice.
import * as restate from "@restatedev/restate-sdk";
import postgres from "postgres";
import { books, mail, ON_HAND, priced, provider, shippable } from "./shop.mjs";
import * as tables from "./tables.mjs";

const { RestatePromise, TerminalError } = restate;

// The SDK asks for it, and Node.js has it from version 22 on.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

// A refusal is final; everything else Restate tries again.
const decided = (ask) => {
  try {
    return ask();
  } catch (refusal) {
    throw new TerminalError(refusal.message);
  }
};

const EMPTY = { free: 0, sold: 0, held: {} };

export const product = restate.object({
  name: "product",
  handlers: {
    restock: async (ctx) => ctx.set("stock", { ...EMPTY, free: ON_HAND }),
    reserve: async (ctx, { orderId, quantity }) => {
      const stock = (await ctx.get("stock")) ?? EMPTY;
      if (stock.free < quantity) throw new TerminalError("not enough on hand");
      ctx.set("stock", { ...stock, free: stock.free - quantity, held: { ...stock.held, [orderId]: quantity } });
    },
    release: async (ctx, { orderId }) => {
      const { free, held: { [orderId]: quantity = 0, ...held }, ...rest } = await ctx.get("stock");
      ctx.set("stock", { ...rest, free: free + quantity, held });
    },
    ship: async (ctx, { orderId }) => {
      const { sold, held: { [orderId]: quantity = 0, ...held }, ...rest } = await ctx.get("stock");
      ctx.set("stock", { ...rest, sold: sold + quantity, held });
    },
    look: restate.handlers.object.shared(async (ctx) => {
      const { free, sold, held } = await ctx.get("stock");
      return { free, sold, held: Object.values(held).reduce((sum, quantity) => sum + quantity, 0) };
    }),
  },
});

export const notices = restate.service({
  name: "notices",
  handlers: {
    email: async (ctx, orderId) => ctx.run("e-mail", () => mail.tell("e-mail", orderId)),
    sms: async (ctx, orderId) => ctx.run("sms", () => mail.tell("sms", orderId)),
  },
});

const undone = async (undo, refusal) => {
  if (!(refusal instanceof TerminalError)) throw refusal;
  for (const back of undo.reverse()) await back();
  return refusal.message;
};

export const objects = restate.workflow({
  name: "objects",
  handlers: {
    run: async (ctx, order) => {
      const undo = [];
      const ofEach = (ask) => RestatePromise.all(order.lines.map(({ sku, quantity }) =>
        ask(ctx.objectClient(product, sku), { orderId: order.id, quantity })));
      const cents = priced(order.lines);
      ctx.set("order", { ...order, cents });
      ctx.set("status", "created");
      try {
        undo.push(() => ofEach((shelf, line) => shelf.release(line)));
        await ofEach((shelf, line) => shelf.reserve(line));
        const payment = ctx.rand.uuidv4();
        undo.push(() => ctx.run("refund", () => provider.refund(payment)));
        await ctx.run("charge", () => decided(() => provider.charge(payment, cents, order.card)));
        ctx.set("status", "paid");
        decided(() => shippable(order));
        await ofEach((shelf, line) => shelf.ship(line));
      } catch (refusal) {
        const why = await undone(undo, refusal);
        ctx.set("status", "cancelled");
        return why;
      }
      ctx.set("status", "fulfilled");
      ctx.serviceSendClient(notices).email(order.id);
      ctx.serviceSendClient(notices).sms(order.id);
      return "fulfilled";
    },
  },
});

const NOT_ENOUGH = "23514";
const sql = postgres(tables.connection(process.env.PEERS_DATABASE_URL));
// What was done already is not done again.
const once = async (order, from, to, change) => {
  try {
    await sql.begin(async (sql) => {
      if (await tables.moves(sql, order.id, from, to)) await change?.(sql, order.lines);
    });
  } catch (why) {
    throw why.code === NOT_ENOUGH ? new TerminalError("not enough on hand") : why;
  }
};

export const handler = restate.workflow({
  name: "handler",
  handlers: {
    run: async (ctx, order) => {
      const undo = [];
      const commit = (name, ...change) => ctx.run(name, () => once(order, ...change));
      const cents = await ctx.run("create", () => tables.create(sql, order));
      try {
        undo.push(() => commit("release", ["held", "paid"], "released", tables.release));
        await commit("reserve", ["created"], "held", tables.reserve);
        const payment = ctx.rand.uuidv4();
        undo.push(() => ctx.run("refund", () => provider.refund(payment)));
        await ctx.run("charge", () => decided(() => provider.charge(payment, cents, order.card)));
        await commit("mark paid", ["held"], "paid");
        decided(() => shippable(order));
        await commit("ship", ["paid"], "shipped", tables.ship);
      } catch (refusal) {
        const why = await undone(undo, refusal);
        await commit("mark cancelled", ["created", "released"], "cancelled");
        return why;
      }
      await commit("mark fulfilled", ["shipped"], "fulfilled");
      await RestatePromise.all([
        ctx.run("e-mail", () => mail.tell("e-mail", order.id)),
        ctx.run("sms", () => mail.tell("sms", order.id)),
      ]);
      return "fulfilled";
    },
  },
});

// Not part of the shop: the driver reads these.
const outside = restate.service({
  name: "outside",
  handlers: {
    books: async () => books(),
    setUp: async () => tables.setUp(sql),
    look: async () => tables.look(sql),
  },
});

restate.serve({ services: [product, notices, objects, handler, outside], port: Number(process.argv[2]) });
