#!/usr/bin/env bash
# Run by the postgres image once, when its data directory is new: the owner that migrates, and the role of web and worker.
set -euo pipefail
cd "${HITL_SECRETS:-/run/secrets}"
for file in owner_password app_password; do
    [ -s "$file" ] || { echo "roles.sh: $PWD/$file is empty or missing. Run start-staging.sh." >&2; exit 1; }
done
# psql reads the files itself: no password is an argument that a list of processes would show.
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set owner_password `cat owner_password`
\set app_password `cat app_password`
create role hitl_owner login password :'owner_password';
create role hitl_app login noinherit password :'app_password';
create database hitl owner hitl_owner;
SQL
