#!/usr/bin/env bash
# Check out over HTTP, with nothing but curl, against a `checkout dev` or `checkout all` on this machine.
#
#     RUN_FILE=data/checkout.run examples/curl/checkout.sh
#
# The run file stands beside the database while the system runs. It holds the system's address and a token that every
# user who may read the file may use. Ends with 0 if everything came out as told below, else with 1 and the reason.
set -euo pipefail

run_file="${RUN_FILE:-data/checkout.run}"
[ -r "$run_file" ] || { echo "there is no $run_file: start 'checkout dev', or set RUN_FILE" >&2; exit 1; }
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$run_file"; }
url="http://$(field address)"
token="$(field token)"

# send ID TYPE BODY: one message, as it would stand on the queue. Prints the status code. 503 says that something is away,
# and when to come again: curl does, and under the same id it is done once.
send() {
    curl --silent --show-error --max-time 20 --retry 5 --output /dev/null --write-out '%{http_code}' \
        "$url/admin/messages" \
        --header "Authorization: Bearer $token" --header 'Content-Type: application/json' \
        --data "{\"message_id\": \"$1\", \"type\": \"$2\", \"body\": $3}"
}

expect() {
    if [ "$2" != "$3" ]; then
        echo "$1: $2 instead of $3" >&2
        exit 1
    fi
    echo "$1: $2"
}

# Is it well?
expect 'health' "$(curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' "$url/health")" 200

# 202: it is safe, and on its way. Prices and stock come from here, never from a checkout.
id="curl-$$-$(date +%s)"
product='{"sku": "PEN-GREEN", "title": "A green pen", "price": {"amount": "1.75", "currency": "EUR"}, "on_hand": 100}'
expect 'a product' "$(send "$id-product" product.upsert "$product")" 202

checkout='{"customer_id": "customer-42", "items": [{"sku": "PEN-GREEN", "quantity": 1}],
    "payment": {"method": "card", "token": "tok_ok"}}'
expect 'a checkout' "$(send "$id" checkout.submit "$checkout")" 202
# Sent again under the same id, it is the same checkout; another one under that id is refused.
expect 'the same again' "$(send "$id" checkout.submit "$checkout")" 202
expect 'another under its id' "$(send "$id" checkout.submit "${checkout/customer-42/customer-43}")" 422

# What is no message is refused with a reason.
expect 'a mistyped type' "$(send "$id-typo" checkout.submitt "$checkout")" 422
expect 'no token' "$(curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' "$url/admin/messages" \
    --data '{}')" 401
