#!/usr/bin/env node
// Check out, hear how it ends, and speak for the payment provider: from JavaScript, with nothing but an AMQP client.
//
//     npm install
//     AMQP_URL=amqp://guest:guest@localhost:5672/%2f PREFIX=checkout node checkout.cjs
//
// Ends with 0 if everything came out as told below, else with 1 and the reason.
const { randomUUID } = require('node:crypto');
const amqp = require('amqplib');

const AMQP_URL = process.env.AMQP_URL || 'amqp://guest:guest@localhost:5672/%2f';
const PREFIX = process.env.PREFIX || 'checkout';
// Longer than an order takes, also on a busy machine.
const PATIENCE_MS = 30_000;

async function main() {
  const connection = await amqp.connect(AMQP_URL);
  // On a confirm channel, what is sent can be waited for until the broker has it safe.
  const channel = await connection.createConfirmChannel();

  // One command: the routing key is its type, the body is JSON, and the id is what a repeat is known by.
  const send = async (type, body, properties = {}) => {
    channel.publish(`${PREFIX}.commands`, type, Buffer.from(JSON.stringify(body)), {
      messageId: randomUUID(),
      contentType: 'application/json',
      persistent: true,
      mandatory: true,
      ...properties,
    });
    await channel.waitForConfirms();
  };

  // 1. Put something on offer. Prices and stock come from here, never from a checkout.
  const price = { amount: '1.75', currency: 'EUR' };
  await send('product.upsert', { sku: 'PEN-RED', title: 'A red pen', price, on_hand: 1000 });

  // 2. Listen: bind a queue of our own, which goes when we go, to the events that we want to hear.
  const { queue: events } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(events, `${PREFIX}.events`, 'order.*');
  await channel.bindQueue(events, `${PREFIX}.events`, 'stock.reserved');
  const heard = await inbox(channel, events);

  // 3. And wait for the outcomes of our own checkouts: on RabbitMQ, this name stands for a queue that needs no declaring.
  const answers = await inbox(channel, 'amq.rabbitmq.reply-to');
  const checkOut = async (token, sku = 'PEN-RED') => {
    const orderId = randomUUID();
    const body = {
      order_id: orderId,
      customer_id: 'customer-42',
      items: [{ sku, quantity: 1 }],
      // A token of the provider's, never a card number. tok_ok and tok_declined are the mock provider's.
      payment: { method: 'card', token },
    };
    // The outcome carries the word by which we know it.
    await send('checkout.submit', body, { replyTo: 'amq.rabbitmq.reply-to', correlationId: `ours-${orderId}` });
    const { type, body: outcome } = await answers('the outcome', (one) => one.correlationId === `ours-${orderId}`);
    console.log(`${orderId}  ${type}  ${outcome.reason || outcome.code || ''}`);
    return { orderId, type, outcome };
  };

  // 4. Three checkouts, three outcomes.
  const good = await checkOut('tok_ok');
  expect('a card that works', good.type, 'order.fulfilled');
  const declined = await checkOut('tok_declined');
  expect('a card that does not', `${declined.type} ${declined.outcome.reason}`, 'order.cancelled payment_declined');
  const unknown = await checkOut('tok_ok', 'NO-SUCH-THING');
  expect('what is not on offer', `${unknown.type} ${unknown.outcome.code}`, 'order.rejected product_unknown');

  // 5. The event of the first order came to our other queue as well, as it comes to every listener.
  await heard('the event', ({ type, body }) => type === 'order.fulfilled' && body.order_id === good.orderId);

  // 6. Speak for a payment provider: tok_never_answers takes no money by itself, so nothing goes on without us.
  const orderId = randomUUID();
  await send('checkout.submit', {
    order_id: orderId,
    customer_id: 'customer-42',
    items: [{ sku: 'PEN-RED', quantity: 2 }],
    payment: { method: 'card', token: 'tok_never_answers' },
  });
  await heard('stock.reserved', ({ type, body }) => type === 'stock.reserved' && body.order_id === orderId);
  const event = {
    id: `evt_${randomUUID()}`,
    type: 'payment.succeeded',
    created: new Date().toISOString(),
    // An event about another amount than was asked for would move nothing.
    data: { reference: orderId, transaction_id: `ch_${randomUUID()}`, amount: { amount: '3.50', currency: 'EUR' } },
  };
  // A provider is asked first, and answers then; and it sends its event again, under the same id, until it is
  // accepted. However often that is, it counts once.
  const tell = async () => {
    await send('payment.webhook', event, { messageId: event.id });
    await send('payment.webhook', event, { messageId: event.id });
  };
  const telling = setInterval(() => tell().catch(() => {}), 1000);
  await heard('the last event', ({ type, body }) => type === 'order.fulfilled' && body.order_id === orderId);
  clearInterval(telling);
  console.log(`${orderId}  order.fulfilled  paid by an event of ours`);

  await connection.close();
}

// Collects what comes to a queue. What it gives waits for the first message that is wanted.
async function inbox(channel, queue) {
  const kept = [];
  let look = () => {};
  const keep = ({ properties, content }) => {
    kept.push({ type: properties.type, correlationId: properties.correlationId, body: JSON.parse(content) });
    look();
  };
  await channel.consume(queue, keep, { noAck: true });
  return (what, wanted) =>
    new Promise((found, lost) => {
      const late = setTimeout(() => lost(new Error(`${what} did not come within ${PATIENCE_MS} ms`)), PATIENCE_MS);
      look = () => {
        const at = kept.findIndex(wanted);
        if (at >= 0) {
          clearTimeout(late);
          look = () => {};
          found(kept.splice(at, 1)[0]);
        }
      };
      look();
    });
}

function expect(what, found, expected) {
  if (found !== expected) {
    throw new Error(`${what}: ${found} instead of ${expected}`);
  }
}

main().catch((why) => {
  console.error(why.message);
  process.exit(1);
});
