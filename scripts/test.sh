#!/usr/bin/env bash
# Every test with coverage. Compiled kernels are invisible to coverage, so their tests run once more, interpreted, on
# the same small grids; both passes are counted together, and the thresholds are enforced on the sum.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
export COVERAGE_PROCESS_START="$PWD/pyproject.toml"
rm -f .coverage .coverage.*
workers=${GRID_TEST_WORKERS:-$(($(getconf _NPROCESSORS_ONLN) + 1))} # many tests wait for processes
unset PYTHONDONTWRITEBYTECODE # as images of containers set it: each process would compile all that it imports
# A commit of SQLite takes some 4 ms on a disk and 0.01 ms in memory, and no test cuts the power: kernels outlive those
# that kill. Where there is room for it, what tests write lies in memory.
if [ -w /dev/shm ] && [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -ge 4096 ]; then
  TMPDIR=$(mktemp -d /dev/shm/gXXXXXX)
  # A short path: that of a Unix socket has at most 107 bytes.
  export TMPDIR PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} --basetemp=$TMPDIR/t"
  chmod 755 "$TMPDIR" # for PostgreSQL, which runs as nobody where we are root
  trap 'rm -rf "$TMPDIR"' EXIT
fi
# Long files first, so that no worker is left with one at the end; of these first what compiles without being counted,
# since tracing makes a compilation half as long again.
is_whole=
[ $# -gt 0 ] || { is_whole=yes; set -- tests/validation tests/integration tests/faults tests/unit; }
"$BIN/python" -m pytest -n "$workers" --dist loadfile --no-loadscope-reorder --cov --cov-report= \
  -m "not faults and not physics" "$@"
NUMBA_DISABLE_JIT=1 "$BIN/python" -m pytest -q --no-header -n "$workers" --dist loadfile --cov --cov-append --cov-report= -m "jit and not physics" tests/unit/engine
# In a process of their own: Playwright keeps an event loop, and others want theirs.
# A browser on a busy machine may miss a deadline: what fails is tried once more, and said.
if [ -n "$is_whole" ] && ! "$BIN/python" -m pytest -q --no-header -n 0 tests/e2e; then
  echo "tests of the page failed; once more, those alone:"
  "$BIN/python" -m pytest -q --no-header -n 0 --last-failed --last-failed-no-failures none tests/e2e
fi
"$BIN/coverage" combine --quiet --append 2>/dev/null || true
# Each report reads the sources anew: the long one beside the two others.
parts=(services:90:'src/grid/services/*,src/grid/tasks/*' engine:92:'src/grid/engine/*')
whole=$(mktemp)
"$BIN/coverage" report --fail-under=85 >"$whole" &
report=$!
is_enough=true
for part in "${parts[@]}"; do
  IFS=: read -r name least files <<<"$part"
  "$BIN/coverage" report --include="$files" --fail-under="$least" >"$whole.part" ||
    { echo "coverage of $name is below $least %:"; tail -n 40 "$whole.part"; is_enough=false; }
done
wait "$report" || { echo "coverage is below 85 %:"; is_enough=false; }
tail -n 60 "$whole"
rm -f "$whole" "$whole.part"
$is_enough
