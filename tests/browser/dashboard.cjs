// What people do on the dashboard, in a real browser: node dashboard.cjs CHECKOUT. Prints a line for each claim.
"use strict";
const fs = require("node:fs");
const { browser, order, system, token, until } = require("./stage.cjs");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const LOOKS = [
  { name: "light", viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  { name: "dark", viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  { name: "phone", viewport: { width: 360, height: 740 }, colorScheme: "light", hasTouch: true },
];

const must = (holds, why) => { if (!holds) throw new Error(why); };

// Any complaint of a page is a failure, a script or style that the browser blocks above all.
const open = async (chromium, shop, look = LOOKS[0]) => {
  const context = await chromium.newContext({ baseURL: shop.url, reducedMotion: "reduce", ...look });
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (line) => { if (line.type() === "error") page.complaints.push(line.text()); });
  page.on("pageerror", (why) => page.complaints.push(String(why)));
  return page;
};

const press = async (page, name) => {
  await page.getByRole("button", { name, exact: true }).click();
  await page.waitForLoadState("load");
};

const count = async (page, state) => {
  const link = page.locator(`#orders a[href="/dashboard/orders?status=${state}"]`);
  return (await link.count()) ? Number((await link.innerText()).replace(/\D/g, "")) : -1;
};

const saga = async (shop, id, wanted) =>
  until(`${id} ${wanted}`, async () => {
    const seen = await shop.ask("GET", `/orders/${id}`).catch(() => null);
    return seen?.saga?.status === wanted && seen;
  });

const CLAIMS = {
  "the overview counts orders as they end, without being loaded again": async ({ chromium, play }) => {
    const page = await open(chromium, play);
    await page.goto("/");
    await until("a live page", async () => (await page.locator("#live-state").innerText()) === "live");
    const before = await count(page, "fulfilled");
    await play.send("checkout.submit", order("anna", "tok_ok"));
    await play.send("checkout.submit", order("anna", "tok_declined"));
    await until("both on the page", async () =>
      (await count(page, "fulfilled")) === before + 1 && (await count(page, "cancelled")) >= 1);
    await press(page, "Pause");
    must((await page.locator("#live-state").innerText()) === "paused", "it goes on");
    return page;
  },

  "what is broken is seen and heals, and every promise holds": async ({ chromium, play }) => {
    const page = await open(chromium, play);
    await page.goto("/dashboard/chaos");
    await press(page, "The provider says it three times");
    await press(page, "Every message comes twice (30 s)");
    await press(page, "order");
    await press(page, "The broker is away (10 s)");
    await until("the fault", async () => (await page.locator("#raging").innerText()).includes("The broker is away"));
    await until("a death", async () => (await page.locator("#happened").innerText()).includes("order died"));
    await press(page, "Heal everything");
    await until("peace", async () => (await page.locator("#raging").innerText()).includes("Nothing is wrong"));
    await press(page, "An order goes through");
    await until("a check after it", async () => {
      const verdict = page.locator("#verdict");
      return (await verdict.count()) === 1 && (await verdict.innerText()).startsWith("Every promise holds");
    });
    return page;
  },

  "a dead letter is understood, mended and sent again": async ({ chromium, play }) => {
    await play.send("product.upsert", { sku: "TITLELESS", title: "", price: { amount: "7.50", currency: "EUR" }, on_hand: 3 });
    const page = await open(chromium, play);
    const letter = page.locator("main a[href^='/dashboard/dead-letters/']").first();
    await until("the letter", async () => {
      await page.goto("/dashboard/dead-letters");
      const group = page.locator("main a[href*='code=product_invalid']").first();
      if (!(await group.count())) return false;
      await group.click();
      return (await letter.count()) > 0;
    });
    await letter.click();
    const body = page.getByLabel("Body");
    await body.fill((await body.inputValue()).replace('"title": ""', '"title": "It has one"').replace('"title":""', '"title":"It has one"'));
    await press(page, "Show what that changes");
    must((await page.locator("main").innerText()).includes("It has one"), "the change is not shown");
    await page.getByLabel("Why they are sent again").fill("it had no title");
    await press(page, "Send it like this");
    await until("nothing of it left", async () => {
      const { items } = await play.ask("GET", "/admin/dead-letters?limit=100");
      return items.every((letter) => letter.code !== "product_invalid");
    });
    return page;
  },

  "a saga that is stuck is retried, and marked as done with evidence": async ({ chromium, play }) => {
    const stuck = order("anna", "tok_refund_fails");
    await play.send("checkout.submit", stuck);
    await play.send("order.cancel", { order_id: stuck.order_id, reason: "changed my mind" });
    await saga(play, stuck.order_id, "needs_attention");
    const page = await open(chromium, play);
    await page.goto("/dashboard/sagas?status=needs_attention");
    await page.locator(`main a[href*='${stuck.order_id}']`).first().click();
    for (const [act, label, words, asks] of [
      ["retry", "Ask for the step again", "they say that it works now", "Reason"],
      ["done", "Mark the step as done outside", "bank transfer 77", "What proves it"],
    ]) {
      await page.goto(`/dashboard/orders/${stuck.order_id}/acts/${act}`);
      await page.getByLabel(asks).fill(words);
      await press(page, label);
      must((await page.locator("main").innerText()).includes(words), "the trail does not say why");
      if (act === "retry") await saga(play, stuck.order_id, "needs_attention");
    }
    await saga(play, stuck.order_id, "undone");
    return page;
  },

  "in the shop one orders, sees it come to its end, cancels, and is declined": async ({ chromium, play }) => {
    const page = await open(chromium, play);
    await page.goto("/dashboard/shop");
    const buy = async (title, outcome, comes) => {
      await page.getByRole("button", { name: `Put in the cart: ${title}` }).click();
      await until("it is in the cart", async () => (await page.locator("#cart").innerText()).includes(title));
      await page.getByLabel("What comes of it").selectOption({ label: outcome });
      await page.getByRole("button", { name: "Order", exact: true }).click();
      await until(`${title} ${comes}`, async () => {
        const status = page.locator("#status");
        return (await status.count()) && (await status.innerText()) === comes
          && (await page.locator("#order").innerText()).includes(title);
      });
    };
    await buy("Dune", "It is paid", "fulfilled");
    await until("an empty cart", async () => (await page.locator("#cart").innerText()).includes("Nothing"));
    await buy("Emma", "It is declined", "cancelled");
    must((await page.locator("#order").innerText()).includes("payment declined"), "the reason is not told");
    await page.getByRole("button", { name: "One less" }).first().click();
    await until("it is out again", async () => (await page.locator("#cart").innerText()).includes("Nothing"));
    await buy("Moby-Dick", "The provider never answers", "created");
    await page.getByRole("button", { name: "Cancel this order" }).click();
    await until("it is cancelled", async () => (await page.locator("#status").innerText()) === "cancelled");
    // Below them are the chaos shop's orders for the same customer.
    const newest = ["cancelled", "Moby-Dick", "cancelled", "Emma", "fulfilled", "Dune"];
    await until("all of them in the history, newest first", async () => {
      const rows = await page.locator("#history li").allInnerTexts();
      return rows.length >= 3 && newest.every((words, at) => rows[Math.floor(at / 2)].includes(words));
    });
    return page;
  },

  "outside of play a token is asked for, kept, and thrown away": async ({ chromium, work }) => {
    const page = await open(chromium, work);
    await page.goto("/dashboard/promises");
    await page.getByLabel("Token").fill("nonsense");
    await press(page, "Sign in");
    must((await page.getByRole("alert").innerText()).includes("not good"), "nothing is said");
    page.complaints.length = 0; // A browser reports every 401 as an error.
    // Uses a token of its own: signing out ends it, and a token that was issued in the same second would be
    // identical.
    await page.getByLabel("Token").fill(token({ sub: "anna", role: "admin", jti: "signs out" }));
    await press(page, "Sign in");
    must(new URL(page.url()).pathname === "/dashboard/promises", `led to ${page.url()}`);
    await press(page, "Check all of it now");
    await until("a verdict", async () => (await page.locator("#verdict").count()) === 1);
    must((await page.getByRole("link", { name: "Chaos shop" }).count()) === 0, "there is chaos");
    await press(page, "Sign out");
    await page.goto("/");
    must((await page.getByLabel("Token").count()) === 1, "it is still signed in");
    page.complaints.length = 0;
    return page;
  },

  "every page can be used by everybody, in light, in dark and on a phone": async ({ chromium, play, work }) => {
    const id = (await play.ask("GET", "/admin/orders?limit=1")).items[0].order_id;
    await play.send("payment.webhook", { id: "evt_old", type: "payment.succeeded", created: "2020-01-01T00:00:00Z",
      data: { reference: crypto.randomUUID(), transaction_id: "ch_old", amount: { amount: "1.00", currency: "EUR" } } });
    const letter = await until("a dead letter", () => play.ask("GET", "/admin/dead-letters?limit=1").then((all) => all.items[0]));
    const pages = ["/", "/dashboard/promises", "/dashboard/chaos", "/dashboard/shop", "/dashboard/orders", "/dashboard/sagas",
      "/dashboard/dead-letters", "/dashboard/pauses", "/dashboard/pauses/roles/stock", `/dashboard/orders/${id}`,
      `/dashboard/orders/${id}?personal=shown`, `/dashboard/dead-letters/${letter.id}`];
    const wrong = [];
    for (const look of LOOKS) {
      const page = await open(chromium, play, look);
      for (const path of [...pages, `${work.url}/dashboard/sign-in`]) {
        await page.goto(path);
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run());
        for (const { id, nodes } of violations) wrong.push(`${look.name} ${path}: ${id}: ${nodes[0].html.slice(0, 160)}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (wide > 0) wrong.push(`${look.name} ${path}: ${wide} pixels too wide`);
      }
      wrong.push(...page.complaints);
      await page.context().close();
    }
    must(wrong.length === 0, wrong.join("\n  "));
  },

  "the keyboard leads to the content and through all pages": async ({ chromium, play }) => {
    const page = await open(chromium, play);
    await page.goto("/");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    // The key event is dispatched before the page has navigated.
    await until("the first stop leads to the content", () => new URL(page.url()).hash === "#main");
    await page.goto("/");
    await page.keyboard.press("Tab");
    const stops = [];
    for (let at = 0; at < 8; at += 1) {
      await page.keyboard.press("Tab");
      stops.push(await page.evaluate(() => document.activeElement.textContent));
    }
    must(stops.includes("Overview") && stops.includes("Promises"), `it stops at ${stops}`);
    return page;
  },
};

const main = async ([checkout, only]) => {
  const [play, work, chromium] = await Promise.all([system(checkout, "dev"), system(checkout, "all"), browser()]);
  let failed = 0;
  try {
    for (const [claim, prove] of Object.entries(CLAIMS).filter(([claim]) => !only || claim.includes(only))) {
      const page = { complaints: [] };
      try {
        const seen = (await prove({ chromium, play, work })) ?? page;
        must(seen.complaints.length === 0, seen.complaints.join("\n  "));
        console.log(`ok      ${claim}`);
      } catch (why) {
        failed += 1;
        console.log(`FAILED  ${claim}\n  ${why.message}`);
      }
    }
  } finally {
    await chromium.close();
    await Promise.all([play.end(), work.end()]);
  }
  process.exitCode = failed ? 1 : 0;
};

main(process.argv.slice(2));
