// What both peers share: the orders of `checkout load`, the provider, and the receiver of notices.
//
// Every saga asks the provider and sends notices under a key that stays the same when a step is repeated, so a step
// that ran twice charges and notifies once. Both keep their state in memory only, so that none of their cost is
// charged to the peers.
import { randomUUID } from "node:crypto";

export const PRODUCTS = 1000;
export const ON_HAND = 1_000_000_000;
const PRICE_CENTS = 999;

export const SKUS = Array.from({ length: PRODUCTS }, (_, number) => `SKU-${number}`);

// As src/cli/load/orders.rs has them: two lines, one of a product and two of another.
export const order = (number, wish = {}) => {
  const [first, second] = [number % PRODUCTS, (number * 7 + 1) % PRODUCTS];
  return {
    id: randomUUID(),
    customer: `customer-${number % 10_000}`,
    lines: [{ sku: SKUS[first], quantity: 1 }, { sku: SKUS[second], quantity: 2 }],
    card: "tok_ok",
    ...wish,
  };
};

export const priced = (lines) => lines.reduce((sum, line) => sum + line.quantity * PRICE_CENTS, 0);

export const provider = {
  charges: new Map(),
  charge(key, cents, card) {
    if (card === "tok_declined") throw new Error("the card is declined");
    if (!this.charges.has(key)) this.charges.set(key, cents);
  },
  // Of what was never charged, nothing goes back.
  refund(key) {
    if (this.charges.has(key)) this.charges.set(key, 0);
  },
  kept() {
    return [...this.charges.values()].reduce((sum, cents) => sum + cents, 0);
  },
};

// Some orders cannot be shipped, which turns out after payment.
export const shippable = (order) => {
  if (order.unshippable) throw new Error("the shelf has less than the books");
};

export const mail = {
  told: new Set(),
  tell(channel, orderId) {
    this.told.add(`${channel} ${orderId}`);
  },
};

export const books = () => ({ kept_cents: provider.kept(), told: mail.told.size });
