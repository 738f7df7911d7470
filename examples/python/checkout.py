#!/usr/bin/env python3
"""Check out, hear how it ends, and speak for the payment provider: from Python, with nothing but an AMQP client.

    pip install -r requirements.txt
    AMQP_URL=amqp://guest:guest@localhost:5672/%2f PREFIX=checkout python3 checkout.py

Ends with 0 if everything came out as told below, else with 1 and the reason.
"""

import json
import os
import sys
import time
import uuid

import pika
import pika.exceptions

AMQP_URL = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f")
PREFIX = os.environ.get("PREFIX", "checkout")
# Longer than an order takes, also on a busy machine.
PATIENCE_S = 30


class Shop:
    def __init__(self):
        self.connection = pika.BlockingConnection(pika.URLParameters(AMQP_URL))
        self.channel = self.connection.channel()
        # From here on, basic_publish returns only once the broker has the message safe.
        self.channel.confirm_delivery()

    def send(self, kind, body, message_id=None, **properties):
        """One command: the routing key is its type, the body is JSON, and the id is what a repeat is known by."""
        self.channel.basic_publish(
            exchange=f"{PREFIX}.commands",
            routing_key=kind,
            body=json.dumps(body),
            properties=pika.BasicProperties(
                message_id=message_id or str(uuid.uuid4()),
                content_type="application/json",
                delivery_mode=2,
                **properties,
            ),
            mandatory=True,
        )

    def own_queue(self):
        """A queue that only we read, and that goes when we go."""
        return self.channel.queue_declare("", exclusive=True).method.queue

    def next_in(self, queue, wanted, what, patience_s=PATIENCE_S):
        """The next message that is wanted. Others are passed over."""
        give_up = time.monotonic() + patience_s
        while time.monotonic() < give_up:
            method, properties, body = self.channel.basic_get(queue, auto_ack=True)
            if method is None:
                self.connection.process_data_events(time_limit=0.05)
            elif wanted(properties, json.loads(body)):
                return properties, json.loads(body)
        raise TimeoutError(f"{what} did not come within {patience_s} s")


def check_out(shop, answers, token, sku="PEN-BLUE"):
    """Sends a checkout, and waits for its outcome on our own queue."""
    order_id = str(uuid.uuid4())
    shop.send(
        "checkout.submit",
        {
            "order_id": order_id,
            "customer_id": "customer-42",
            "items": [{"sku": sku, "quantity": 1}],
            # A token of the provider's, never a card number. tok_ok and tok_declined are the mock provider's.
            "payment": {"method": "card", "token": token},
        },
        # The outcome comes to this queue, with our correlation id.
        reply_to=answers,
        correlation_id=f"ours-{order_id}",
    )
    properties, outcome = shop.next_in(
        answers, lambda properties, _: properties.correlation_id == f"ours-{order_id}", "the outcome"
    )
    print(f"{order_id}  {properties.type}  {outcome.get('reason') or outcome.get('code') or ''}")
    return order_id, properties.type, outcome


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r} instead of {expected!r}")


def main():
    shop = Shop()

    # 1. Put something on offer. Prices and stock come from here, never from a checkout.
    price = {"amount": "1.75", "currency": "EUR"}
    shop.send("product.upsert", {"sku": "PEN-BLUE", "title": "A blue pen", "price": price, "on_hand": 1000})

    # 2. Listen: bind a queue of our own to the events that we want to hear. `order.*` is all about orders.
    events, answers = shop.own_queue(), shop.own_queue()
    shop.channel.queue_bind(events, f"{PREFIX}.events", "order.*")

    # 3. Three checkouts, three outcomes.
    fulfilled, kind, _ = check_out(shop, answers, "tok_ok")
    expect("a card that works", kind, "order.fulfilled")
    _, kind, outcome = check_out(shop, answers, "tok_declined")
    expect("a card that does not", (kind, outcome.get("reason")), ("order.cancelled", "payment_declined"))
    _, kind, outcome = check_out(shop, answers, "tok_ok", sku="NO-SUCH-THING")
    expect("what is not on offer", (kind, outcome.get("code")), ("order.rejected", "product_unknown"))

    # 4. The events of the first order came to our other queue as well, as they come to every listener.
    shop.next_in(
        events,
        lambda properties, event: properties.type == "order.fulfilled" and event["order_id"] == fulfilled,
        "the event order.fulfilled",
    )

    # 5. Speak for a payment provider that never told us: tok_never_answers takes no money by itself. The event
    #    names the order and the amount; an event about another amount would move nothing.
    order_id = str(uuid.uuid4())
    shop.channel.queue_bind(events, f"{PREFIX}.events", "stock.reserved")
    shop.send(
        "checkout.submit",
        {
            "order_id": order_id,
            "customer_id": "customer-42",
            "items": [{"sku": "PEN-BLUE", "quantity": 2}],
            "payment": {"method": "card", "token": "tok_never_answers"},
        },
    )
    shop.next_in(
        events,
        lambda properties, event: properties.type == "stock.reserved" and event["order_id"] == order_id,
        "the event stock.reserved",
    )
    event_id = f"evt_{uuid.uuid4().hex}"
    sent = {
        "id": event_id,
        "type": "payment.succeeded",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "data": {
            "reference": order_id,
            "transaction_id": f"ch_{uuid.uuid4().hex}",
            "amount": {"amount": "3.50", "currency": "EUR"},
        },
    }
    # A provider is asked first, and answers then; and it sends its event again, under the same id, until it is
    # accepted. However often that is, it counts once.
    for attempt in range(1, 11):
        time.sleep(1)
        shop.send("payment.webhook", sent, message_id=event_id)
        shop.send("payment.webhook", sent, message_id=event_id)
        try:
            shop.next_in(
                events,
                lambda properties, event: properties.type == "order.fulfilled" and event["order_id"] == order_id,
                "the event order.fulfilled after our payment event",
                patience_s=3,
            )
            break
        except TimeoutError:
            if attempt == 10:
                raise
    print(f"{order_id}  order.fulfilled  paid by an event of ours")


if __name__ == "__main__":
    try:
        main()
    except (TimeoutError, pika.exceptions.AMQPError) as why:
        sys.exit(f"{type(why).__name__}: {why}")
