// A storefront on the public API, with a customer's token, like any front end. Responses are inserted as text, never as
// markup.
"use strict";

(() => {
  const shop = document.getElementById("shop");
  const place = (id) => document.getElementById(id);
  const token = shop.dataset.token;

  const make = (name, text, ...inside) => {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    element.append(...inside);
    return element;
  };
  const button = (label, act) => {
    const element = make("button", label);
    element.type = "button";
    element.addEventListener("click", act);
    return element;
  };
  const money = (value) => (value ? `${value.amount} ${value.currency}` : "");
  const say = (text, kind = "") => {
    place("said").textContent = text;
    place("said").className = text ? `note ${kind}` : "";
  };

  // Every error is a problem document; its detail is shown to the customer.
  const api = async (method, path, body, headers = {}) => {
    const answer = await fetch(path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const json = text ? JSON.parse(text) : {};
    if (!answer.ok) throw new Error(json.detail ?? answer.statusText);
    return json;
  };
  const attempt = (work) => async (...given) => {
    say("");
    try { await work(...given); } catch (why) { say(why.message, "bad"); }
  };

  let cart = { version: 0, items: [] };

  const showCart = (now) => {
    cart = now;
    const rows = cart.items.map((item) => make("li", `${item.quantity} × ${item.title ?? item.sku} `,
      button("One less", attempt(() => put(item.sku, item.quantity - 1))),
      button("One more", attempt(() => put(item.sku, item.quantity + 1)))));
    place("cart").replaceChildren(...(rows.length ? rows : [make("li", "Nothing is in it.")]));
    place("order-now").disabled = rows.length === 0;
  };
  const put = async (sku, quantity) => showCart(quantity > 0
    ? await api("PUT", `/cart/items/${encodeURIComponent(sku)}`, { quantity })
    : await api("DELETE", `/cart/items/${encodeURIComponent(sku)}`));
  const inCart = (sku) => cart.items.find((item) => item.sku === sku)?.quantity ?? 0;

  const showHistory = async () => {
    const { items } = await api("GET", "/orders?limit=10&failed=true");
    const rows = items.map((order) => make("li", "",
      button(`${order.status}, ${money(order.total)}, ${order.items.map((item) => item.title).join(", ")}`,
        attempt(() => watch(order.order_id)))));
    place("history").replaceChildren(...(rows.length ? rows : [make("li", "Nothing yet.")]));
  };

  const showOrder = (order) => {
    const lines = (order.items ?? []).map((item) => make("li", `${item.quantity} × ${item.title}, ${money(item.line_total)}`));
    const status = make("strong", order.status);
    status.id = "status";
    const why = order.reason ? ` (${order.reason.replaceAll("_", " ")})` : "";
    const cancel = (order.actions ?? []).includes("cancel")
      ? [button("Cancel this order", attempt(() => api("POST", `/orders/${order.order_id}/cancel`, { reason: "changed my mind" })))] : [];
    place("order").replaceChildren(make("p", "It is ", status, why), make("ul", "", ...lines),
      make("p", order.total ? `Together ${money(order.total)}` : ""), ...cancel);
  };

  // An EventSource cannot send a token, so the stream is read from a fetch.
  let watching = new AbortController();
  const watch = async (id) => {
    watching.abort();
    watching = new AbortController();
    const { signal } = watching;
    showOrder(await api("GET", `/orders/${id}`));
    const answer = await fetch(`/orders/${id}/events`, { headers: { authorization: `Bearer ${token}` }, signal });
    if (answer.status !== 200) return;
    const reader = answer.body.getReader();
    const follow = async () => {
      for (;;) {
        const { done } = await reader.read();
        if (signal.aborted) return;
        showOrder(await api("GET", `/orders/${id}`));
        // Paid items have left the stored cart; after a failed order they are still in it.
        showCart(await api("GET", "/cart"));
        await showHistory();
        if (done) return;
      }
    };
    follow().catch((why) => { if (!signal.aborted) say(why.message, "bad"); });
  };

  // The idempotency key is kept until there is an answer, so that a retry places the same order.
  let key = null;
  const orderNow = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const payment = form.get("method") === "cod" ? { method: "cod" } : { method: form.get("method"), token: form.get("token") };
    key ??= crypto.randomUUID();
    const body = { cart_version: cart.version, payment, contact: { email: form.get("email") } };
    const order = await api("POST", "/orders/checkout", body, { "idempotency-key": key });
    key = null;
    say("It is on its way.", "good");
    await watch(order.order_id);
    showCart(await api("GET", "/cart"));
    await showHistory();
  };

  for (const element of shop.querySelectorAll("button[data-sku]")) {
    const { sku } = element.dataset;
    element.addEventListener("click", attempt(() => put(sku, inCart(sku) + 1)));
  }
  place("checkout").addEventListener("submit", attempt(orderNow));
  place("checkout").addEventListener("change", () => { key = null; });
  attempt(async () => {
    showCart(await api("GET", "/cart"));
    await showHistory();
  })();
})();
