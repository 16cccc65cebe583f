#!/usr/bin/env bash
# Build the images of the stack: the sample simulation's and the service's; and make ready those that it runs beside.
# Called by `make build STACK=compose`. Where no registry answers, what cannot be pulled is replaced, and said:
# the base image by another Python's that is here, PostgreSQL and Redis by stand-ins (infra/standin/README.md).
#   PYTHON_IMAGE        the base (default python:3.12-slim)
#   GRID_BUILD_NETWORK  network of the builds (default: Docker's own; the host's where the base was replaced)
#   GRID_SKIP_PAGE      1 leaves the web page out
set -euo pipefail
cd "$(dirname "$0")/../.."
export DOCKER_BUILDKIT=0
BASES=(python:3.12-slim python:3.13-slim python:3.11-slim)
say() { echo "build: $*"; }
is_here() { docker image inspect "$1" >/dev/null 2>&1; }
is_standin() { [ "$(docker image inspect -f '{{index .Config.Labels "grid.standin"}}' "$1")" = true ]; }

choose_base() { # sets PYTHON_IMAGE
  [ -z "${PYTHON_IMAGE:-}" ] || return 0
  PYTHON_IMAGE=${BASES[0]}
  ! is_here "$PYTHON_IMAGE" && ! docker pull -q "$PYTHON_IMAGE" 2>/dev/null || return 0
  local base
  for base in "${BASES[@]}"; do
    if is_here "$base"; then
      say "$PYTHON_IMAGE cannot be pulled: $base, which is here, takes its place"
      PYTHON_IMAGE=$base GRID_BUILD_NETWORK=${GRID_BUILD_NETWORK:-host}
      return 0
    fi
  done
  say "$PYTHON_IMAGE cannot be pulled, and none of ${BASES[*]} is here; PYTHON_IMAGE names another" >&2
  return 1
}

bring() { # NAME IMAGE: pull it, or build its stand-in
  if ! is_here "$2" && ! docker pull -q "$2" 2>/dev/null; then
    say "$2 cannot be pulled: a stand-in takes its place, for trials alone"
    PYTHON_IMAGE=$PYTHON_IMAGE infra/standin/build.sh "$1" >/dev/null 2>"$said" || { cat "$said" >&2; return 1; }
  elif is_standin "$2"; then
    say "$2 is a stand-in; for the real one: make clean STACK=compose && docker image rm $2"
  fi
}

build() { # TAG WORDS...: of `docker build`; the image that had the tag goes, unless a container runs it
  local tag=$1 before after
  shift
  say "$tag"
  before=$(docker image inspect -f '{{.Id}}' "$tag" 2>/dev/null || true)
  if ! after=$(docker build --quiet ${GRID_BUILD_NETWORK:+--network "$GRID_BUILD_NETWORK"} \
    --build-arg PYTHON_IMAGE="$PYTHON_IMAGE" -t "$tag" "$@" 2>"$said"); then
    cat "$said" >&2
    return 1
  fi
  [ -z "$before" ] || [ "$before" = "$after" ] || docker image rm "$before" >/dev/null 2>&1 || true
}

said=$(mktemp)
trap 'rm -f "$said"' EXIT
docker info >/dev/null 2>&1 || { say "no Docker engine answers here" >&2; exit 1; }
choose_base
[ "${GRID_SKIP_PAGE:-}" = 1 ] || "${PYTHON:-python3}" scripts/page.py build || true # the service works without it too
bring postgres "${POSTGRES_IMAGE:-postgres:16}"
bring redis "${REDIS_IMAGE:-redis:7}"
build sim:local sim
# The page was built above, where Node is at hand. A stage with a name of its own stays, and what it holds is not made again.
build grid:build --target build --build-arg GRID_SKIP_PAGE=1 .
build "${GRID_IMAGE:-grid:local}" --build-arg GRID_SKIP_PAGE=1 .
case ",${COMPOSE_PROFILES:-}," in *,otel,*) bring otel "${OTEL_IMAGE:-otel/opentelemetry-collector:0.104.0}" ;; esac
