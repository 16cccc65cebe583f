#!/usr/bin/env bash
# Build the images that stand in where no registry answers. See README.md beside this file.
#   infra/standin/build.sh [postgres] [redis] [otel]     default: postgres redis
# PYTHON_IMAGE: the base (default python:3.11-slim); GRID_BUILD_NETWORK: network of the build (default host).
set -euo pipefail
cd "$(dirname "$0")"
declare -A tags=([postgres]=${POSTGRES_IMAGE:-postgres:16} [redis]=${REDIS_IMAGE:-redis:7}
                 [otel]=${OTEL_IMAGE:-otel/opentelemetry-collector:0.104.0})
[ $# -gt 0 ] || set -- postgres redis
for name in "$@"; do
  tag=${tags[$name]:?no stand-in of that name}
  if docker image inspect "$tag" >/dev/null 2>&1 &&
     [ "$(docker image inspect -f '{{index .Config.Labels "grid.standin"}}' "$tag")" != true ]; then
    echo "$tag is there and is no stand-in: left alone"
    continue
  fi
  DOCKER_BUILDKIT=0 docker build --quiet --network "${GRID_BUILD_NETWORK:-host}" \
    --build-arg PYTHON_IMAGE="${PYTHON_IMAGE:-python:3.11-slim}" -t "$tag" "$name"
done
