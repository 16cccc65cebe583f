#!/usr/bin/env bash
# Every test with coverage. Compiled kernels are invisible to coverage, so their tests run once more, interpreted, on
# the same small grids; both passes are counted together, and the thresholds are enforced on the sum.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
export COVERAGE_PROCESS_START="$PWD/pyproject.toml"
rm -f .coverage .coverage.*
workers=${GRID_TEST_WORKERS:-2}
unset PYTHONDONTWRITEBYTECODE # as images of containers set it: each process would compile all that it imports
# A commit of SQLite takes some 4 ms on a disk and 0.01 ms in memory, and no test cuts the power: kernels outlive those
# that kill. Where there is room for it, what tests write lies in memory.
if [ -w /dev/shm ] && [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -ge 4096 ]; then
  TMPDIR=$(mktemp -d /dev/shm/grid-tests-XXXXXX)
  export TMPDIR
  chmod 755 "$TMPDIR" # for PostgreSQL, which runs as nobody where we are root
  trap 'rm -rf "$TMPDIR"' EXIT
fi
# Long files first, so that no worker is left with one at the end; of these first what compiles without being counted,
# since tracing makes a compilation half as long again.
[ $# -gt 0 ] || set -- tests/validation tests/integration tests/faults tests/unit
"$BIN/python" -m pytest -n "$workers" --dist loadfile --no-loadscope-reorder --cov --cov-report= \
  -m "not faults and not physics" "$@"
NUMBA_DISABLE_JIT=1 "$BIN/python" -m pytest -q --no-header -n "$workers" --dist loadfile --cov --cov-append --cov-report= -m "jit and not physics" tests/unit/engine
"$BIN/coverage" combine --quiet --append 2>/dev/null || true
"$BIN/coverage" report --fail-under=85 | tail -n 60
"$BIN/coverage" report --include='src/grid/services/*,src/grid/tasks/*' --fail-under=90 >/dev/null ||
  { echo "coverage of services and tasks is below 90 %:"; "$BIN/coverage" report --include='src/grid/services/*,src/grid/tasks/*' | tail -n 40; exit 1; }
"$BIN/coverage" report --include='src/grid/engine/*' --fail-under=92 >/dev/null ||
  { echo "coverage of the engine is below 92 %:"; "$BIN/coverage" report --include='src/grid/engine/*' | tail -n 40; exit 1; }
