#!/usr/bin/env bash
# Containers, as CI tries them on a real engine: programs in containers, and the Compose stack with one job in a
# container. ENGINE names the command that brings the engine up, where one is to be brought up; it may take minutes the
# first time on a machine. Nothing is left out where there is no engine: that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
say() { printf -- '-- %s (%ss)\n' "$*" "$SECONDS"; }
say "the engine"
[ -z "${ENGINE:-}" ] || timeout 1800 "$ENGINE"
docker version --format '{{.Server.Version}}'
if ! command -v docker-compose >/dev/null; then # version 2 is in the lock of development
  PATH="$PATH:$(cd "$BIN" && pwd)"
fi
passed=true
say "programs in containers, the long form left out"
"$BIN/python" -m pytest -o cache_dir=.pytest_cache/docker -q --no-header -m "docker and not faults" \
  -n "${GRID_DOCKER_TEST_WORKERS:-3}" --dist worksteal tests/docker || passed=false
say "the Compose stack"
python3 scripts/try_compose.py --short || passed=false
say "done"
$passed
