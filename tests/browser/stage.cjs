// A system of its own with a browser for it: both are started, and both are stopped again whatever happens.
"use strict";
const { spawn } = require("node:child_process");
const { createHmac } = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");

const SECRET = "a secret of the tests, 32 bytes or more";
const PATIENCE_MS = 30_000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Polls until `look` finds something.
const until = async (what, look) => {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
    await pause(50);
  }
};

// `checkout dev` or `checkout all`, with short delays and no random failures.
const system = async (checkout, command) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "checkout-browser-"));
  const flags = ["--listen=127.0.0.1:0", "--provider-delay-ms=1-20", "--provider-success-rate=1",
    "--durability=process_crash", "--database-url=sqlite:checkout.db", "--rate-per-customer=0", "--rate-per-address=0",
    `--jwt-secret=${SECRET}`];
  const log = fs.openSync(path.join(folder, "log"), "w");
  const child = spawn(path.resolve(checkout), [command, ...flags], { cwd: folder, stdio: ["ignore", log, log] });
  const file = path.join(folder, "checkout.run");
  const ended = new Promise((done) => child.on("exit", done));
  const run = await until("the system's start", () => {
    if (child.exitCode !== null) throw new Error(fs.readFileSync(path.join(folder, "log"), "utf8"));
    return fs.existsSync(file) && JSON.parse(fs.readFileSync(file, "utf8"));
  });
  const url = `http://${run.address}`;
  const ask = async (method, to, body, headers = {}) => {
    const answer = await fetch(url + to, {
      method,
      headers: { authorization: `Bearer ${run.token}`, "content-type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${to}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  return {
    url,
    ask,
    send: (type, body) => ask("POST", "/admin/messages", { type, message_id: crypto.randomUUID(), body }),
    end: async () => {
      child.kill("SIGTERM");
      await ended;
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
};

const browser = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // Root in a container can run Chromium only without its sandbox, and it loads only our own pages.
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});

const token = (claims) => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
};

const order = (customer_id, token, more = {}) => ({
  order_id: crypto.randomUUID(),
  customer_id,
  items: [{ sku: "BOOK-DUNE", quantity: 1 }],
  payment: { method: "card", token },
  contact: { email: "anna.reader@example.org", phone: "+49301234567" },
  ...more,
});

module.exports = { browser, order, pause, system, token, until };
