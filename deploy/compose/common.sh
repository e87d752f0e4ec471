# shellcheck shell=bash
# Sourced by start-staging.sh and stop-staging.sh, which set `here` to this directory.
# shellcheck disable=SC2154

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# What .env says; the last line with a name counts, as for docker compose.
declare -A settings
read_settings() {
    local name value
    while IFS='=' read -r name value; do
        if [[ $name =~ ^[A-Z_]+$ ]]; then settings[$name]=$value; fi
    done <"$here/.env"
    while IFS='=' read -r name _; do
        [[ ! $name =~ ^[A-Z_]+$ || -n ${settings[$name]:-} ]] || fail "$here/.env does not set $name. See .env.example."
    done <"$here/.env.example"
}

# The path that a setting names, which is relative to this directory.
place() {
    case ${settings[$1]} in
        /*) printf '%s' "${settings[$1]}" ;;
        *) printf '%s' "$here/${settings[$1]#./}" ;;
    esac
}

compose() {
    docker compose --project-directory "$here" --file "$here/docker-compose.yml" --env-file "$here/.env" "$@"
}

check_docker() {
    command -v docker >/dev/null || fail "docker is missing. Install Docker Engine with its compose plugin: https://docs.docker.com/engine/install/"
    docker compose version >/dev/null 2>&1 || fail "'docker compose' is missing. Install the plugin docker-compose-plugin."
    docker info >/dev/null 2>&1 || fail "The Docker daemon does not answer. Start it (systemctl start docker), or ask to be let in (group docker)."
}
