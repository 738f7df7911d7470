// What scripts/bench peers measured, as one Markdown table: `node table.mjs FOLDER`.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const PEERS = [["restate-objects", "Restate, virtual objects"], ["restate-handler", "Restate, one handler and Postgres"],
  ["dbos", "DBOS Transact"]];
const OURS = [["servers", "ours, Postgres and RabbitMQ"], ["embedded", "ours, embedded"]];

const main = (folder) => {
  const report = (name, inFlight) => JSON.parse(readFileSync(join(folder, `${name}-${inFlight}.json`)));
  console.log("\n| in flight | | orders/s | p50 ms | p99 ms | ours on servers is | ours embedded is |");
  console.log("|---|---|---|---|---|---|---|");
  for (const inFlight of [1, 64, 256]) {
    const [servers, embedded] = OURS.map(([name]) => report(name, inFlight).orders_per_second);
    for (const [name, title] of [...PEERS, ...OURS]) {
      const { orders_per_second: rate, latency_ms: { p50, p99 } } = report(name, inFlight);
      const isPeer = PEERS.some(([peer]) => peer === name);
      const times = (own) => (isPeer ? `${(own / rate).toFixed(own < 10 * rate ? 1 : 0)} ×` : "");
      const figures = [rate.toFixed(rate < 100 ? 1 : 0), p50.toFixed(1), p99.toFixed(1)];
      console.log(`| ${[inFlight, title, ...figures, times(servers), times(embedded)].join(" | ")} |`);
    }
  }
};

main(process.argv[2]);
