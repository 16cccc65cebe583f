#!/usr/bin/env bash
# Every test with coverage. Compiled kernels are invisible to coverage, so their tests run once more, interpreted, on
# the same small grids; both passes are counted together, and the thresholds are enforced on the sum.
# That pass and the tests in a browser run one after the other beside all others, in processes and folders of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
export COVERAGE_PROCESS_START="$PWD/pyproject.toml"
rm -f .coverage .coverage.* .coverage-*
workers=${GRID_TEST_WORKERS:-$(($(getconf _NPROCESSORS_ONLN) + 1))} # many tests wait for processes
unset PYTHONDONTWRITEBYTECODE # as images of containers set it: each process would compile all that it imports
# A commit of SQLite takes some 4 ms on a disk and 0.01 ms in memory, and no test cuts the power: kernels outlive those
# that kill. Where there is room for it, what tests write lies in memory.
made=$(mktemp -d)
memory=
if [ -w /dev/shm ] && [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -ge 4096 ]; then
  memory=$(mktemp -d /dev/shm/gXXXXXX) # a short path: that of a Unix socket has at most 107 bytes
  export TMPDIR=$memory
  chmod 755 "$memory" # for PostgreSQL, which runs as nobody where we are root
fi
beside=0
finish() {
  [ "$beside" -eq 0 ] || kill -- "-$beside" 2>/dev/null || true
  rm -rf "$made" "$memory"
}
trap finish EXIT
run_pytest() { # FOLDER ...: with temporary files of its own, and what failed last kept apart
  local folder=$1 cache=.pytest_cache
  shift
  [ "$folder" = t ] || cache+=/$folder
  ${calm:-} "$BIN/python" -m pytest -o "cache_dir=$cache" --basetemp="${memory:-$made}/$folder" "$@"
}

# The pass without compilation, then the tests of the page, in a process of their own: Playwright keeps an event loop,
# and others want theirs. A browser on a busy machine may miss a deadline: what fails is tried once more, and said.
run_beside() {
  local passed=true
  COVERAGE_FILE=$PWD/.coverage-interpreted NUMBA_DISABLE_JIT=1 run_pytest i -q --no-header -n 0 --cov --cov-report= \
    -m "jit and not physics" tests/unit/engine || passed=false
  unset COVERAGE_PROCESS_START # what a server does for a page is counted by tests of the API
  if ! run_pytest p -q --no-header -n 0 tests/e2e; then
    echo "tests of the page failed; once more, those alone:"
    run_pytest p -q --no-header -n 0 --last-failed --last-failed-no-failures none tests/e2e || passed=false
  fi
  $passed
}
passed=true
if [ $# -eq 0 ]; then
  # Long files first, so that no worker is left with one at the end; of these first what compiles without being counted,
  # since tracing makes a compilation half as long again.
  set -- tests/validation tests/integration tests/faults tests/unit
  set -m # a process group of its own, to be ended as a whole
  run_beside >"$made/beside" 2>&1 &
  beside=$!
  set +m
  calm="nice -n 5" # a browser has deadlines
fi
run_pytest t -n "$workers" --dist loadfile --no-loadscope-reorder --cov --cov-report= -m "not faults and not physics" \
  "$@" || passed=false
if [ "$beside" -ne 0 ]; then
  echo "beside them, without compilation and in a browser:"
  wait "$beside" || passed=false
  beside=0
  cat "$made/beside"
fi
$passed
shopt -s nullglob
"$BIN/coverage" combine --quiet --append .coverage.* .coverage-* 2>/dev/null || true
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
