// Makes a database for the peers alone, and drops it: `node database.mjs create|drop NAME`.
import postgres from "postgres";
import { connection } from "./tables.mjs";

const main = async ([verb, name]) => {
  const sql = postgres(connection(process.env.CHECKOUT_TEST_DATABASE_URL));
  if (verb === "create") await sql`create database ${sql(name)}`;
  else await sql`drop database if exists ${sql(name)} with (force)`;
  await sql.end();
};

await main(process.argv.slice(2));
