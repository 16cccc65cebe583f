#!/usr/bin/env python3
"""Try the first minutes on a slow machine: `make up` from fresh clones, on one core, beside a process that is busy.

    python3 scripts/slow_start.py [--nice 10] [--busy 1] [--keep FOLDER]

Makes two clones of this repository, with an empty cache folder that they share. In the first, `make up` must end well
and never be silent for a minute, and a second `make up` there starts nothing. Then `grid compile` does what the worker
has not come to, and in the second clone the service must compile nothing. `make up` runs on core 0 at the given
niceness, beside as many busy loops at niceness 0. It takes from minutes to an hour; no cache and no service of the user
is touched.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_SILENT_S = 60.0
BUSY = "import os; os.sched_setaffinity(0, {0})\nwhile True: pass"


def main() -> int:
    options = read_options()
    folder = Path(options.keep or tempfile.mkdtemp(prefix="grid-slow-")).resolve()
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(options.busy)]
    try:
        return try_clones(folder, options.nice)
    finally:
        for process in busy:
            process.kill()
            process.wait()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nice", type=int, default=10, help="niceness of all that is tried (default 10)")
    parser.add_argument("--busy", type=int, default=1, help="busy loops beside it (default 1)")
    parser.add_argument("--keep", help="folder to work in, which stays")
    return parser.parse_args()


def try_clones(folder: Path, nice: int) -> int:
    faults: list[str] = []
    for number, name in enumerate(("first", "second")):
        clone = folder / name
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        before = find_kernels(folder)
        environment = make_environment(folder, port=8765 + number)
        try:
            faults += make_up(clone, environment, nice, again=False)
            if number == 0:
                faults += make_up(clone, environment, nice, again=True)
                compile_rest(clone, environment)
            elif new := {file: stamp for file, stamp in find_kernels(folder).items() if before.get(file) != stamp}:
                faults.append(f"the second clone compiled {len(new)} kernels: {sorted(new)[:5]}")
        finally:
            subprocess.run(["make", "--no-print-directory", "down"], cwd=clone, env=environment, check=False)
    for fault in faults:
        print("FAULT:", fault)
    print("slow start:", "failed" if faults else "good")
    return 1 if faults else 0


def make_environment(folder: Path, *, port: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    passed = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
    return {**kept, **passed, "XDG_CACHE_HOME": str(folder / "cache"), "GRID_PORT": str(port)}


def make_up(clone: Path, environment: dict[str, str], nice: int, *, again: bool) -> list[str]:
    """Run `make up` and print what it says with the time; return what was wrong."""
    command = ["taskset", "-c", "0", "nice", "-n", str(nice), "make", "--no-print-directory", "up"]
    started = said = time.monotonic()
    silent, lines = 0.0, []
    with subprocess.Popen(
        command, cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            now = time.monotonic()
            silent, said = max(silent, now - said), now
            lines.append(line)
            print(f"{now - started:7.1f} s  {line}", end="", flush=True)
    print(f"{clone.name}: make up {'again ' if again else ''}took {time.monotonic() - started:.0f} s", flush=True)
    faults = [f"make up ended with {process.returncode}"] if process.returncode else []
    if any("unforeseen" in line for line in lines):
        faults.append("make up ended in something unforeseen")
    if silent > MOST_SILENT_S:
        faults.append(f"make up was silent for {silent:.0f} s")
    if again and any(word in line for line in lines for word in ("starting", "running", "installing")):
        faults.append("a second make up did something again")
    return faults


def find_kernels(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in (folder / "cache").rglob("*.kernel")}


def compile_rest(clone: Path, environment: dict[str, str]) -> None:
    """Compile what the worker of the first clone has not come to, at full speed: beside busy loops it takes hours."""
    subprocess.run([clone / ".venv/bin/grid", "compile"], cwd=clone, env=environment, check=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
