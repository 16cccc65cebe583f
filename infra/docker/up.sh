#!/usr/bin/env bash
# Start the stack and wait until it is ready: `up.sh COMPOSE...`, called by `make up STACK=compose`.
set -euo pipefail
cd "$(dirname "$0")/../.."
port=${GRID_PORT:-8000} folder=${GRID_SECRETS:-secrets}
is_flower=false
case ",${COMPOSE_PROFILES:-}," in *,flower,*) is_flower=true ;; esac
if $is_flower && [ -z "${FLOWER_BASIC_AUTH:-}" ] && ! grep -qs '^FLOWER_BASIC_AUTH=.' .env; then
  "${PYTHON:-python3}" infra/docker/make_secrets.py "$folder"
  FLOWER_BASIC_AUTH=$(cat "$folder/flower_basic_auth")
  export FLOWER_BASIC_AUTH
  echo "Flower's user and password are in $folder/flower_basic_auth."
fi
"$@" up -d
if ! "${PYTHON:-python3}" infra/docker/wait_ready.py "$port"; then
  "$@" logs --tail 20 migrate web
  exit 1
fi
echo "The server answers at http://127.0.0.1:$port; make logs STACK=compose shows what the services say."
! $is_flower || echo "Flower answers at http://127.0.0.1:${GRID_FLOWER_PORT:-5555}."
echo "The first administrator: $* exec -T web cat /var/lib/grid/home/secrets/admin.json"
