// The checkout on DBOS Transact: one workflow, as in its guides and its widget store.
//
// A change of the shop's tables is a transaction of its Postgres.js datasource: the change and the checkpoint of the
// step are one commit, so each happens once. A call to the outside (provider, e-mail, SMS) is a step. A refusal is
// caught, and the steps before it are undone in reverse. DBOS is a library, so the driver has it in its own process
// and is spared a hop. System tables and shop tables are in one database; pools and durability are the defaults.
import { DBOS } from "@dbos-inc/dbos-sdk";
import { PostgresDataSource } from "@dbos-inc/postgres-datasource";
import postgres from "postgres";
import { books, mail, provider, shippable } from "./shop.mjs";
import * as tables from "./tables.mjs";

const URL_OF_DATABASE = process.env.PEERS_DATABASE_URL;

const datasource = new PostgresDataSource("shop", tables.connection(URL_OF_DATABASE));
const commit = (name, change) => datasource.runTransaction(() => change(PostgresDataSource.client), { name });
const step = (name, ask) => DBOS.runStep(async () => ask(), { name });

// A client that waits for an order waits until it is fulfilled, not for the notices after that.
const waiting = new Map();

const checkout = DBOS.registerWorkflow(async (order) => {
  const undo = [];
  const cents = await commit("create", (sql) => tables.create(sql, order));
  try {
    await commit("reserve", (sql) => tables.reserve(sql, order.lines));
    undo.push(() => commit("release", (sql) => tables.release(sql, order.lines)));
    undo.push(() => step("refund", () => provider.refund(order.id)));
    await step("charge", () => provider.charge(order.id, cents, order.card));
    await commit("mark paid", (sql) => tables.mark(sql, order.id, "paid"));
    await commit("ship", async (sql) => {
      shippable(order);
      await tables.ship(sql, order.lines);
    });
  } catch (refusal) {
    for (const back of undo.reverse()) await back();
    await commit("mark cancelled", (sql) => tables.mark(sql, order.id, "cancelled"));
    return refusal.message;
  }
  await commit("mark fulfilled", (sql) => tables.mark(sql, order.id, "fulfilled"));
  waiting.get(order.id)?.("fulfilled");
  await step("e-mail", () => mail.tell("e-mail", order.id));
  await step("sms", () => mail.tell("sms", order.id));
  return "fulfilled";
}, { name: "checkout" });

export const open = async () => {
  const sql = postgres(tables.connection(URL_OF_DATABASE));
  await tables.setUp(sql);
  DBOS.setConfig({ name: "checkout-peers", systemDatabaseUrl: URL_OF_DATABASE, runAdminServer: false,
    logLevel: "error" });
  await DBOS.launch();
  return {
    submit: async (order) => {
      const fulfilled = new Promise((done) => waiting.set(order.id, done));
      const handle = await DBOS.startWorkflow(checkout, { workflowID: order.id })(order);
      const end = await Promise.race([fulfilled, handle.getResult()]);
      waiting.delete(order.id);
      return end;
    },
    stock: () => tables.look(sql),
    books: async () => books(),
    close: async () => {
      await DBOS.shutdown();
      await sql.end();
    },
  };
};
