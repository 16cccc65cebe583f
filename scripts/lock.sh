#!/usr/bin/env bash
# Renew the hashed lock files from pyproject.toml. Addresses of package indexes stay out of them.
#
#   scripts/lock.sh              what changed in pyproject.toml
#   scripts/lock.sh --upgrade    everything to its newest
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
  .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet "$@"
}
# With the extra first: what it holds back (python-dateutil, by boto3) is held back everywhere.
lock "$@" --extra scale pyproject.toml -o requirements/scale.txt
lock "$@" pyproject.toml -c requirements/scale.txt -o requirements/base.txt
lock "$@" --extra dev pyproject.toml -c requirements/scale.txt -o requirements/dev.txt
lock "$@" requirements/bootstrap.in -o requirements/bootstrap.txt
lock "$@" requirements/page.in -o requirements/page.txt
for peer in devito fipy jax scipy; do  # of the benchmarks; pinned by hand, so that figures can be compared
  lock --no-deps --no-annotate "benchmarks/engine/peers/$peer.in" -o "benchmarks/engine/peers/$peer.txt"
done
for peer in celery dramatiq procrastinate; do
  lock --no-deps --no-annotate "benchmarks/peers/$peer.in" -o "benchmarks/peers/$peer.txt"
done
lock --no-deps --no-annotate benchmarks/live/peers/pypde.in -o benchmarks/live/peers/pypde.txt
