#!/usr/bin/env python3
"""Make `.venv` from the lock files, and put Grid into it. Needs nothing but Python 3.11 or newer.

    python3 scripts/install.py base    what `grid` needs to run
    python3 scripts/install.py scale   the same, and what several machines need: broker, containers, object storage
    python3 scripts/install.py dev     the same, and what the tests and checks need

pip verifies the hashes of uv and hatchling (requirements/bootstrap.txt), uv those of everything else. Where uv does not
run, pip installs the same lock. Grid itself goes in as an editable install without build isolation, since an isolated
build would fetch build tools that no hash covers. A second run with unchanged locks does nothing.

The web page is built too, into the package, where its sources have changed since (scripts/page.py); GRID_SKIP_PAGE=1
leaves it out, and without it everything else works.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import page

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOG = VENV / "install.log"
SAY_EVERY_S = 15.0
LOCKS = {"base": "base.txt", "scale": "scale.txt", "dev": "dev.txt"}  # each holds those before it
PIP = (BIN / "python", "-m", "pip", "install", "--quiet")


def say(text: str) -> None:
    print(f"install: {text}", flush=True)


def fingerprint(what: str) -> str:
    """Return a hash of all that decides what is installed: the locks, the project's metadata, this Python."""
    digest = hashlib.sha256(f"{what} {sys.version} {VENV}".encode())
    for path in (f"requirements/{LOCKS[what]}", "requirements/bootstrap.txt", "pyproject.toml"):
        digest.update((ROOT / path).read_bytes())
    return digest.hexdigest()


@contextmanager
def telling(doing: str) -> Iterator[None]:
    """Say now and then that something is still being done, so that a slow machine is told from one that hangs."""
    done, started = threading.Event(), time.monotonic()

    def tell() -> None:
        while not done.wait(SAY_EVERY_S):
            say(f"still {doing} ({time.monotonic() - started:.0f} s)")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def run(*command: str | Path, doing: str = "") -> None:
    """Run a command; what it says goes into the log, and is shown only where it fails. `doing` is said now and then."""
    words = [str(part) for part in command]
    with LOG.open("a", encoding="utf-8") as log, telling(doing or Path(words[0]).name):
        place = log.tell()
        print("$", *command, file=log, flush=True)
        environment = {**os.environ, page.SKIP: "1"}  # the page is built here, where its progress is seen
        done = subprocess.run(words, cwd=ROOT, env=environment, check=False, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.stderr.write(LOG.read_text(encoding="utf-8", errors="replace")[place:])
        raise subprocess.CalledProcessError(done.returncode, words)


def is_installed(what: str) -> bool:
    stamp = VENV / f".installed-{what}"
    return stamp.exists() and stamp.read_text(encoding="ascii") == fingerprint(what)


def install(what: str) -> None:
    if not ((BIN / "python").exists() and (BIN / "pip").exists()):  # or making it was ended before pip was there
        say("making .venv")
        with telling("making .venv"):
            venv.EnvBuilder(with_pip=True, clear=True).create(VENV)
    LOG.write_text("", encoding="utf-8")
    for stamp in VENV.glob(".installed-*"):
        stamp.unlink()
    bootstrap, lock = ROOT / "requirements" / "bootstrap.txt", ROOT / "requirements" / LOCKS[what]
    run(*PIP, "--require-hashes", "-r", bootstrap, doing="installing the installer")
    doing = f"installing requirements/{lock.name}"
    say(doing)
    try:
        sync = (BIN / "uv", "pip", "sync", "--quiet", "--python", BIN / "python", "--require-hashes", lock, bootstrap)
        run(*sync, doing=doing)
    except (subprocess.CalledProcessError, OSError):
        say("uv did not manage; trying pip")
        run(*PIP, "--require-hashes", "-r", lock, doing=doing)
    run(*PIP, "--no-deps", "--no-build-isolation", "--editable", ".", doing="installing Grid")
    (VENV / f".installed-{what}").write_text(fingerprint(what), encoding="ascii")


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - said before anything else fails less clearly
        say(f"Grid needs Python 3.11 or newer; this is {sys.version.split()[0]}")
        return 1
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        print(__doc__, file=sys.stderr)
        return 2
    what = sys.argv[1]
    names = list(LOCKS)
    if not any(is_installed(name) for name in names[names.index(what) :]):
        try:
            install(what)
        except subprocess.CalledProcessError as error:
            say(f"stopped: {error.cmd[0]} ended with {error.returncode}; its own message is above, all of it in {LOG}")
            return 1
        say(f"done (log: {LOG.relative_to(ROOT)})")
    build_page()
    return 0


def build_page() -> None:
    """Build the web page where its sources have changed; a page that cannot be built keeps nobody from the rest."""
    if page.is_wanted():
        with telling("building the web page"):
            page.ensure(python=BIN / "python")


if __name__ == "__main__":
    sys.exit(main())
