// What scripts/bench peers measured, as one Markdown table: `node table.mjs FOLDER`.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PEERS = [["restate-objects", "Restate, virtual objects"], ["restate-handler", "Restate, one handler and Postgres"],
  ["dbos", "DBOS Transact"]];
const OURS = [["servers", "ours, Postgres and RabbitMQ"], ["embedded", "ours, embedded"]];

const main = (folder) => {
  const file = (name, inFlight) => join(folder, `${name}-${inFlight}.json`);
  const report = (name, inFlight) => JSON.parse(readFileSync(file(name, inFlight)));
  console.log("\n| in flight | | orders/s | p50 ms | p99 ms | ours on servers is | ours embedded is |");
  console.log("|---|---|---|---|---|---|---|");
  const best = new Map();
  for (const inFlight of [1, 64, 256]) {
    const [servers, embedded] = OURS.map(([name]) => report(name, inFlight).orders_per_second);
    for (const [name, title] of [...PEERS, ...OURS]) {
      if (!existsSync(file(name, inFlight))) {
        console.log(`| ${inFlight} | ${title} | failed | | | | |`);
        continue;
      }
      const { orders_per_second: rate, latency_ms: { p50, p99 } } = report(name, inFlight);
      const isPeer = PEERS.some(([peer]) => peer === name);
      if (isPeer) best.set(title, Math.max(rate, best.get(title) ?? 0));
      const times = (own) => (isPeer ? `${(own / rate).toFixed(own < 10 * rate ? 1 : 0)} ×` : "");
      const figures = [rate.toFixed(rate < 100 ? 1 : 0), p50.toFixed(1), p99.toFixed(1)];
      console.log(`| ${[inFlight, title, ...figures, times(servers), times(embedded)].join(" | ")} |`);
    }
  }
  console.log("\n| ours at 2,048 in flight | orders/s | p50 ms | p99 ms | to the best figure of each peer |");
  console.log("|---|---|---|---|---|");
  for (const [name, title] of OURS) {
    const { orders_per_second: rate, latency_ms: { p50, p99 } } = report(name, 2048);
    const times = [...best].map(([peer, fastest]) => `${(rate / fastest).toFixed(0)} × ${peer}`);
    console.log(`| ${[title, rate.toFixed(0), p50.toFixed(0), p99.toFixed(0), times.join("; ")].join(" | ")} |`);
  }
};

main(process.argv[2]);
