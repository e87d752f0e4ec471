#!/usr/bin/env bash
# Brings up the product with demo data and all that belongs to it, from nothing or from where it stopped.
set -euo pipefail
umask 077
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/compose/common.sh
. "$here/common.sh"
# shellcheck source=deploy/image/labels.sh
. "$root/deploy/image/labels.sh"

usage() {
    cat <<'TEXT'
Usage: deploy/compose/start-staging.sh [--small] [--no-build] [--no-demo]

Checks what is needed, makes .env and the secrets where they are missing, builds the image, starts everything in order, waits
for each service, loads the demo and prints addresses and sign-ins.

--small     PostgreSQL, web and worker alone
--no-build  the image of .env as it is, which may come from a registry
--no-demo   an empty product
HITL_WAIT_SECONDS (180) is how long a service may take to become healthy.
TEXT
}

small='' build=1 demo=1
for argument in "$@"; do
    case $argument in
        --small) small=1 ;;
        --no-build) build='' ;;
        --no-demo) demo='' ;;
        -h | --help) usage && exit 0 ;;
        *) fail "There is no option $argument. See --help." ;;
    esac
done
patience=${HITL_WAIT_SECONDS:-180}

secret() { # NAME_FILE WORTH: written where the file is missing
    local file
    file=$(place "$1")
    mkdir -p "$(dirname "$file")"
    [ -s "$file" ] || printf '%s' "$2" >"$file"
    [ -O "$file" ] && chmod 0600 "$file"
    return 0
}

random() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

make_secrets() {
    local name missing=0 there=0
    for name in POSTGRES_PASSWORD OWNER_PASSWORD APP_PASSWORD DATABASE_URL DATABASE_MIGRATE_URL SECRET_KEY; do
        if [ -s "$(place "${name}_FILE")" ]; then there=$((there + 1)); else missing=$((missing + 1)); fi
    done
    if [ "$there" -gt 0 ] && [ "$missing" -gt 0 ]; then
        fail "Some secrets are there and some are missing, and new ones would not fit the database. Put back those that $here/.env names, or begin anew with stop-staging.sh --purge."
    fi
    if [ "$missing" -gt 0 ]; then
        local owner app
        owner=$(random) app=$(random)
        secret POSTGRES_PASSWORD_FILE "$(random)"
        secret OWNER_PASSWORD_FILE "$owner"
        secret APP_PASSWORD_FILE "$app"
        secret DATABASE_URL_FILE "postgresql://hitl_app:$app@postgres:5432/hitl"
        secret DATABASE_MIGRATE_URL_FILE "postgresql://hitl_owner:$owner@postgres:5432/hitl"
        secret SECRET_KEY_FILE "$(random)"
    fi
    secret GRAFANA_PASSWORD_FILE "$(random)"
    if [ ! -s "$(place METRICS_TOKEN_FILE)" ] || [ ! -s "$(place WEB_METRICS_TOKEN_FILE)" ]; then
        local token
        token=$(random)
        rm -f "$(place METRICS_TOKEN_FILE)" "$(place WEB_METRICS_TOKEN_FILE)"
        secret METRICS_TOKEN_FILE "$token"
        secret WEB_METRICS_TOKEN_FILE "$token"
    fi
}

# Each secret belongs to the user of the container that reads it; root in a container of ours can say so also where we are not root.
give() { # UID FILE...
    local user=$1 file mounts=()
    shift
    for file in "$@"; do
        mounts+=(--volume "$file:/given/$(basename "$file")")
    done
    docker run --rm --user 0:0 --network none --entrypoint chown "${mounts[@]}" "${settings[HITL_IMAGE]}" -R "$user" /given >/dev/null ||
        fail "The secrets could not be given to the containers that read them (docker run ... chown $user)."
}

wait_for() { # [SERVICE...]
    local service id state started=$SECONDS
    for service in "$@"; do
        printf '  %-13s' "$service"
        while :; do
            id=$(compose ps --all --quiet "$service" | head -n 1)
            state=$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$id" 2>/dev/null || echo missing)
            case $state in
                healthy)
                    echo " healthy after $((SECONDS - started)) s"
                    break
                    ;;
                exited | dead | missing | unhealthy)
                    echo " $state"
                    compose logs --no-color --tail 20 "$service" >&2 || true
                    fail "$service is $state; its last lines are above. Mend what they say and run this again: it goes on where it stopped."
                    ;;
            esac
            if [ $((SECONDS - started)) -ge "$patience" ]; then
                echo " $state"
                compose logs --no-color --tail 20 "$service" >&2 || true
                fail "$service was not healthy within $patience s (HITL_WAIT_SECONDS); its last lines are above."
            fi
            printf '.'
            sleep 1
        done
    done
}

check_ports() {
    [ -z "$(compose ps --quiet 2>/dev/null)" ] || return 0 # they are ours
    local name port
    for name in "$@"; do
        port=${settings[$name]}
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            fail "Port $port is in use. Stop what runs there, or set $name in $here/.env to another one."
        fi
    done
}

echo "Checking what is needed ..."
check_docker
if [ ! -e "$here/.env" ]; then
    cp "$here/.env.example" "$here/.env"
    echo "Made $here/.env from .env.example."
fi
chmod 0600 "$here/.env"
read_settings
ports=(API_PORT) services=()
if [ -n "$small" ]; then
    export COMPOSE_PROFILES=
else
    profiles=${settings[COMPOSE_PROFILES]}
    [[ $profiles != *proxy* ]] || { ports+=(HTTP_PORT HTTPS_PORT) services+=(nginx); }
    [[ $profiles != *monitoring* ]] || { ports+=(PROMETHEUS_PORT ALERTMANAGER_PORT GRAFANA_PORT) services+=(alertmanager prometheus grafana); }
fi
check_ports "${ports[@]}"
make_secrets
mkdir -p "$(place BACKUP_DIR)"
# nginx is another user, and must see whether there are certificates.
(umask 022 && mkdir -p "$(place TLS_DIR)")

if [ -n "$build" ]; then
    echo "Building ${settings[HITL_IMAGE]} ..."
    docker build --quiet "${LABELS[@]}" --tag "${settings[HITL_IMAGE]}" "$root" >/dev/null ||
        fail "The image could not be built; docker says why above."
fi
give 999:999 "$(place POSTGRES_PASSWORD_FILE)" "$(place OWNER_PASSWORD_FILE)" "$(place APP_PASSWORD_FILE)"
give 1000:1000 "$(place DATABASE_URL_FILE)" "$(place DATABASE_MIGRATE_URL_FILE)" "$(place SECRET_KEY_FILE)" "$(place WEB_METRICS_TOKEN_FILE)" "$(place BACKUP_DIR)"
give 65534:65534 "$(place METRICS_TOKEN_FILE)"
[ ! -e "$(place TLS_DIR)/tls.key" ] || give 101:101 "$(place TLS_DIR)"
give 472:472 "$(place GRAFANA_PASSWORD_FILE)"

echo "Starting PostgreSQL ..."
compose up --detach postgres || fail "PostgreSQL could not be started; docker says why above."
wait_for postgres
echo "Migrating ..."
compose run --rm migrate || fail "The migrations failed; their last lines are above. Nothing else was started."

echo "Starting web and worker ..."
compose up --detach --no-deps web worker || fail "Web and worker could not be started; docker says why above."
wait_for web worker
echo "Starting the rest ..."
compose up --detach --remove-orphans || fail "Not everything could be started; docker says why above."
wait_for "${services[@]}"

if [ -n "$demo" ]; then
    echo "Loading the demo ..."
    compose run --rm --no-deps -T web python manage.py load_demo || fail "The demo could not be loaded; everything else runs."
fi

echo
echo "  API          http://127.0.0.1:${settings[API_PORT]}/hitl/docs"
if [[ " ${services[*]} " == *" nginx "* ]]; then echo "  Pages        ${settings[BASE_URL]}"; else echo "  Pages        http://127.0.0.1:${settings[API_PORT]}"; fi
if [[ " ${services[*]} " == *" grafana "* ]]; then
    echo "  Prometheus   http://127.0.0.1:${settings[PROMETHEUS_PORT]}"
    echo "  Alertmanager http://127.0.0.1:${settings[ALERTMANAGER_PORT]}"
    echo "  Grafana      ${settings[GRAFANA_URL]} as admin; the password: docker compose exec grafana cat /run/secrets/grafana_password"
fi
if [ -n "$demo" ]; then
    echo
    echo "Demo sign-ins:"
    compose exec -T web cat /var/lib/hitl/demo-accounts || echo "They are gone with the volume they were in; stop-staging.sh --purge begins anew."
fi
