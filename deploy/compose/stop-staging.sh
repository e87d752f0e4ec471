#!/usr/bin/env bash
# Stops what start-staging.sh has started; with --purge nothing of it is left but .env, certificates and backups.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/compose/common.sh
. "$here/common.sh"

usage() {
    cat <<'TEXT'
Usage: deploy/compose/stop-staging.sh [--purge [--yes]]

Stops and removes the containers. The data stay, and start-staging.sh goes on with them.

--purge  deletes the data and the secrets too, after asking; .env, certificates and backups stay
--yes    does not ask
TEXT
}

purge='' yes=''
for argument in "$@"; do
    case $argument in
        --purge) purge=1 ;;
        --yes) yes=1 ;;
        -h | --help) usage && exit 0 ;;
        *) fail "There is no option $argument. See --help." ;;
    esac
done
[ -z "$yes" ] || [ -n "$purge" ] || fail "--yes is the answer to --purge, which is missing."
check_docker
[ -e "$here/.env" ] || fail "There is no $here/.env, so nothing was started from here."
read_settings

if [ -n "$purge" ] && [ -z "$yes" ]; then
    printf 'Delete every decision and the whole audit log of this staging? Type its name, %s, to do so: ' "${settings[COMPOSE_PROJECT_NAME]}"
    read -r answer || true
    [ "${answer:-}" = "${settings[COMPOSE_PROJECT_NAME]}" ] || fail "Nothing was deleted, and nothing was stopped."
fi
# All of them, whatever was started.
export COMPOSE_PROFILES=proxy,monitoring,backup
if [ -z "$purge" ]; then
    compose down --remove-orphans || fail "Not everything could be stopped; docker says why above."
    echo "Stopped. The data are kept; start-staging.sh goes on with them, stop-staging.sh --purge deletes them."
    exit 0
fi
compose down --remove-orphans --volumes || fail "Not everything could be stopped and deleted; docker says why above. The secrets are still there."
for name in "${!settings[@]}"; do
    [[ $name != *_FILE ]] || rm -f "$(place "$name")"
done
echo "Stopped; data and secrets are deleted. .env, certificates and backups are still there."
