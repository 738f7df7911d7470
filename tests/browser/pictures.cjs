// Takes the README's screenshots: node pictures.cjs CHECKOUT FOLDER.
"use strict";
const path = require("node:path");
const { browser, order, pause, system, until } = require("./stage.cjs");

const WIDTH = 1100;

const main = async ([checkout, folder]) => {
  const [play, chromium] = await Promise.all([system(checkout, "dev"), browser()]);
  try {
    const page = await chromium.newPage({ viewport: { width: WIDTH, height: 820 }, baseURL: play.url });
    const take = (name) => page.screenshot({ path: path.join(folder, `${name}.png`), scale: "css" });
    const orders = ["tok_ok", "tok_ok", "tok_declined", "tok_ok", "tok_never_answers"].map((token) => order("customer-42", token));
    for (const one of orders) await play.send("checkout.submit", one);
    await page.goto("/dashboard/chaos");
    await page.getByRole("button", { name: "A hundred of all kinds at once" }).click();
    await until("some ends", () => play.ask("GET", "/admin/orders?status=refunded&limit=5").then((all) => all.items.length === 5));
    await page.setViewportSize({ width: WIDTH, height: 1240 });
    await page.goto("/");
    await until("counts", async () => /\d{2}/.test(await page.locator("#orders").innerText()));
    await pause(12_000);
    await take("overview");
    await page.goto(`/dashboard/orders/${orders[0].order_id}`);
    await page.locator("svg").first().evaluate((story) => story.closest("section").scrollIntoView());
    await take("order");
    await page.goto("/dashboard/chaos");
    for (const name of ["A hundred of all kinds at once", "Every message comes twice (30 s)", "Messages are delayed (30 s)", "order", "payment", "provider"]) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.waitForLoadState("load");
    }
    await until("three deaths", async () => ((await page.locator("#happened").innerText()).match(/ died /g) ?? []).length >= 3);
    await page.setViewportSize({ width: WIDTH, height: 1100 });
    await take("chaos");
  } finally {
    await chromium.close();
    await play.end();
  }
};

main(process.argv.slice(2));
