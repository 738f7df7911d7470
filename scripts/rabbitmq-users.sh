#!/bin/sh
# One RabbitMQ user for each role, which may write where it speaks, read its own queues, and declare nothing.
#
#   scripts/rabbitmq-users.sh [--vhost VHOST] [--prefix PREFIX]
#
# Prints a line "user password" for each. Run again, it gives all of them new passwords. If rabbitmqctl is not
# installed here, say how to call it: RABBITMQCTL="docker compose exec -T rabbitmq rabbitmqctl" (it reads the
# definitions from its standard input). An administrator applies the topology first: `checkout topology apply`.
#
# Beside the roles there are logins for people and outsiders: PREFIX.operator for the command line, PREFIX.admin for
# catalogue, stock, discounts and refunds, PREFIX.payment_provider for its events, and PREFIX.shop, which may only
# check out, cancel, and hear facts over queues of its own named PREFIX.shop.*.
#
# Our own processes then run with CHECKOUT_SEPARATE_LOGINS=true, and accept from each login only what its role may
# say.
set -eu

vhost=/
prefix=checkout
while [ $# -gt 0 ]; do
    case $1 in
    --vhost) vhost=${2:?--vhost needs a name}; shift 2 ;;
    --prefix) prefix=${2:?--prefix needs a name}; shift 2 ;;
    *) echo "unknown argument $1; usage: $0 [--vhost VHOST] [--prefix PREFIX]" >&2; exit 2 ;;
    esac
done
case $prefix$vhost in
*[!A-Za-z0-9._/-]*) echo "use letters, digits, dots, dashes and underscores in vhost and prefix" >&2; exit 2 ;;
esac

users=
permissions=
passwords=
# In a pattern a dot is any character.
p=$(printf %s "$prefix" | sed 's/\./\\\\./g')
dot='\\.'
# What a role may write to: queues directly, facts to listeners, retries to the delay queues, dead letters.
speaks="queues|events|dead|retry$dot(1s|10s|60s|10m)"

# may ROLE CONFIGURE WRITE READ
may() {
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    passwords="$passwords$prefix.$1 $password
"
    users="$users${users:+,}{\"name\":\"$prefix.$1\",\"password\":\"$password\",\"tags\":\"\"}"
    permissions="$permissions${permissions:+,}{\"user\":\"$prefix.$1\",\"vhost\":\"$vhost\",\"configure\":\"$2\",\"write\":\"$3\",\"read\":\"$4\"}"
}

for role in payment stock notification saga provider email sms; do
    may $role '^$' "^$p$dot($speaks)\$" "^$p$dot$role\$"
done
# Replies to askers, straight to the queue that reply_to names.
answers="amq${dot}default"
may order '^$' "^($answers|$p$dot($speaks))\$" "^$p$dot(order|intake)\$"
# Accepts what comes by HTTP, and hears facts for waiting requests.
may gateway "^$p${dot}listener$dot" "^$p$dot(queues|events|listener$dot.*)\$" "^$p$dot(events|listener$dot.*)\$"
# Publishes deadlines, imports dead letters, and publishes again what their first handling may have left unpublished.
may timers '^$' "^($answers|$p$dot(queues|events))\$" "^$p$dot([a-z]+${dot}dead|unrouted)\$"
# Sends commands of the command line, replays dead letters and refills a broker that lost its queues.
may operator "^$p${dot}listener$dot" "^($answers|$p$dot(queues|events|listener$dot.*))\$" "^$p$dot(events|listener$dot.*)\$"
may payment_provider '^$' "^$p${dot}provider\$" '^$'
may admin '^$' "^$p${dot}admin\$" '^$'
may shop "^$p${dot}shop$dot" "^$p$dot(commands|shop$dot.*)\$" "^$p$dot(events|shop$dot.*)\$"
topics="{\"user\":\"$prefix.shop\",\"vhost\":\"$vhost\",\"exchange\":\"$prefix.commands\",\"write\":\"^(checkout${dot}submit|order${dot}cancel)\$\",\"read\":\"^\$\"}"

printf '{"users":[%s],"permissions":[%s],"topic_permissions":[%s]}' "$users" "$permissions" "$topics" |
    ${RABBITMQCTL:-rabbitmqctl} -q import_definitions >&2
printf %s "$passwords"
