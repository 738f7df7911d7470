"""Posts events as a provider does that uses the official packages. Each line on standard input: {"way", "secret", "url",
"event"}. Prints the status of each answer."""

import json
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone

import standardwebhooks
import stripe


def headers(way, secret, event, body):
    if way == "standard":
        now = datetime.now(timezone.utc)
        signer = standardwebhooks.Webhook(secret)
        signed = {
            "webhook-id": event["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(event["id"], now, body),
        }
        signer.verify(body, signed)
        return signed
    now = int(time.time())
    signature = stripe.WebhookSignature._compute_signature(f"{now}.{body}", secret)
    signed = {"stripe-signature": f"t={now},v1={signature}"}
    stripe.Webhook.construct_event(body, signed["stripe-signature"], secret)
    return signed


for line in sys.stdin:
    told = json.loads(line)
    body = json.dumps(told["event"])
    signed = headers(told["way"], told["secret"], told["event"], body)
    request = urllib.request.Request(told["url"], body.encode(), {"content-type": "application/json", **signed})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            print(answer.status)
    except urllib.error.HTTPError as refused:
        print(refused.code, refused.read().decode())
