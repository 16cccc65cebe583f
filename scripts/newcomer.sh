#!/usr/bin/env bash
# What a newcomer does: `make up`, the commands of README and docs/commands.md as printed, a second `make up`, `make down`.
set -euo pipefail
cd "$(dirname "$0")/.."
export GRID_PORT=${GRID_PORT:-8000}
trap 'make --no-print-directory down' EXIT

started=$SECONDS
make --no-print-directory up
echo "first make up: $((SECONDS - started)) s"
started=$SECONDS
make --no-print-directory up
echo "second make up: $((SECONDS - started)) s"
python3 scripts/run_documented.py README.md docs/commands.md
