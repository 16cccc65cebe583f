#!/usr/bin/env bash
# Start PostgreSQL; in an empty folder, make a cluster with the user and the database that the variables name.
set -euo pipefail
user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
password=${POSTGRES_PASSWORD:-}
[ -n "$password" ] || password=$(cat "${POSTGRES_PASSWORD_FILE:?POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE is needed}")
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$user" --pwfile=<(printf '%s\n' "$password") --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl --wait --silent -o "-c listen_addresses=''" start >/dev/null
  [ "$database" = postgres ] || createdb --username="$user" "$database"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$file" ] || psql --quiet --username="$user" --dbname="$database" --set ON_ERROR_STOP=1 --file="$file"
  done
  pg_ctl --wait --silent --mode=fast stop >/dev/null
fi
exec postgres -c listen_addresses='*' "$@"
