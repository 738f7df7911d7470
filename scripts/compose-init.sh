#!/bin/sh
# What docker-compose.yml runs before the first role starts, and again at each `docker compose up`.
#
#   scripts/compose-init.sh secrets FOLDER   makes passwords and secrets, if they are not there
#   scripts/compose-init.sh rights FOLDER    gives each database login its rights (scripts/postgres-roles.sql) and password
#
# FOLDER gets a folder for each service, which only the user of that service may open. Passwords and secrets are made
# once: another start changes none of them. When the list of logins has changed (an upgrade), all logins get new
# passwords and the broker has to be started again; the owner's password and the secrets of tokens and webhooks stay.
set -eu
umask 077

here=$(dirname "$0")
usage() { sed -n '4,5s/^# *//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
folder=$2

database=${DATABASE_AT:-postgres:5432/checkout}
broker=${BROKER_AT:-rabbitmq:5672}
vhost=${BROKER_VHOST:-/}
owner=${DATABASE_OWNER:-checkout}
prefix=${LOGIN_PREFIX:-checkout}
# Each service runs as a user of its own: that keeps it from the secrets of the others.
services='owner:10001 order:10011 payment:10012 stock:10013 notification:10014 saga:10015 provider:10016 email:10017
    sms:10018 timers:10019 gateway:10020 operator:10021 shop:10022 admin:10023
    payment_provider:10024 postgres:70 rabbitmq:100'
# Logins of the database; those of the broker are in scripts/rabbitmq-users.sh.
logins='order payment stock notification saga provider email sms timers gateway operator'

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep SERVICE NAME TEXT
keep() {
    mkdir -p "$folder/$1"
    printf %s "$3" >"$folder/$1/$2"
}

# once SERVICE NAME TEXT: an existing file stays.
once() { [ -s "$folder/$1/$2" ] || keep "$1" "$2" "$3"; }

database_urls() {
    once postgres password "$(random)"
    keep owner database_url "postgres://$owner:$(cat "$folder/postgres/password")@$database"
    for login in $logins; do
        keep "$login" database_url "postgres://${prefix}_$login:$(random)@$database"
    done
}

# The broker reads its users when it starts: so it needs no way in for that.
broker_urls() {
    at=$broker/$(printf %s "$vhost" | sed 's|/|%2f|g')
    printf 'cat >"%s"\n' "$folder/definitions" >"$folder/import"
    RABBITMQCTL="sh $folder/import" "$here/rabbitmq-users.sh" --vhost "$vhost" --prefix "$prefix" |
        while read -r user password; do
            keep "${user#"$prefix".}" amqp_url "amqp://$user:$password@$at"
        done
    # A pipe would hide a failure in it.
    test -s "$folder/definitions"
    password=$(random)
    keep owner amqp_url "amqp://$prefix.owner:$password@$at"
    user="{\"name\":\"$prefix.owner\",\"password\":\"$password\",\"tags\":\"administrator\"}"
    permission="{\"user\":\"$prefix.owner\",\"vhost\":\"$vhost\",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}"
    keep rabbitmq definitions.json "$(sed \
        -e "s|^{\"users\":\[|{\"vhosts\":[{\"name\":\"$vhost\"}],\"users\":[$user,|" \
        -e "s|\"permissions\":\[{\"user\"|\"permissions\":[$permission,{\"user\"|" "$folder/definitions")"
    rm "$folder/import" "$folder/definitions"
}

secrets() {
    mkdir -p "$folder"
    if [ "$(cat "$folder/made" 2>/dev/null)" = "$services" ]; then
        return
    fi
    database_urls
    broker_urls
    once gateway jwt_secret "$(random)"
    once gateway webhook_secret "whsec_$(random)"
    for service in $services; do
        mkdir -p "$folder/${service%:*}"
        chown -R "${service#*:}" "$folder/${service%:*}"
    done
    printf %s "$services" >"$folder/made"
    chmod 755 "$folder"
}

rights() {
    url=$(cat "$folder/owner/database_url")
    psql "$url" -X -q -v ON_ERROR_STOP=1 -1 -c "set checkout.role_prefix = '${prefix}_'" -f "$here/postgres-roles.sql"
    for login in $logins; do
        # Through standard input: other users can read a command line.
        password=$(sed 's|.*://[^:]*:\([^@]*\)@.*|\1|' "$folder/$login/database_url")
        echo "alter role ${prefix}_$login password '$password';"
    done | psql "$url" -X -q -v ON_ERROR_STOP=1 -1
}

case $1 in
secrets) secrets ;;
rights) rights ;;
*) usage ;;
esac
