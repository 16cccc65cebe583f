"""`grid doctor`: what an operator should know before others do."""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from grid.cli.own import own_settings
from grid.client.client import find_address
from grid.core.errors import GridError
from grid.core.settings import Settings

Verdict = Literal["good", "note", "unsafe"]
LEAST_FREE = 0.05  # of the disk; below it, claiming stops


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def examine(settings: Settings | None = None) -> list[Finding]:
    """Look at everything; nothing is changed."""
    settings = own_settings(settings)
    return [
        *_address(settings),
        *_home(settings.grid_home),
        *_secrets(settings),
        *_disk(settings),
        *_clock(settings),
        *_database(settings),
        *_broker(settings),
        *_artifacts(settings),
        *_sandbox(settings),
        *_kernels(settings),
        *_speed(settings),
        *_versions(),
    ]


def _address(settings: Settings) -> Iterator[Finding]:
    where = find_address(settings).removeprefix("http://")  # of the server that runs, else of one that would start
    if settings.is_loopback:
        yield Finding("address", "good", f"{where} answers this machine alone.")
    elif settings.grid_expose:
        yield Finding("address", "note", f"{where} answers the network; put TLS in front of it.")
    else:
        yield Finding("address", "unsafe", f"{where} is not loopback; without GRID_EXPOSE no server starts.")
    if settings.debug:
        yield Finding("debug", "note" if settings.is_loopback else "unsafe", "DEBUG is on.")


def _home(home: Path) -> Iterator[Finding]:
    if not home.exists():
        yield Finding("data folder", "note", f"{home} is not there yet; `grid up` makes it.")
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o077:
        yield Finding("data folder", "unsafe", f"{home} has mode {mode:04o}; others can look in. chmod 700 it.")
    else:
        yield Finding("data folder", "good", f"{home}, mode {mode:04o}.")


def _secrets(settings: Settings) -> Iterator[Finding]:
    folder = settings.grid_home / "secrets"
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in files:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            yield Finding("secrets", "unsafe", f"{file} has mode {mode:04o}; chmod 600 it.")
    if settings.grid_secret_key is not None:
        from grid.core.secrets import require_strong

        try:
            require_strong(settings.grid_secret_key.get_secret_value().encode(), name="GRID_SECRET_KEY")
        except GridError as error:
            yield Finding("secrets", "unsafe", str(error))
            return
    yield Finding(
        "secrets", "good", f"{len(files)} files, readable by their owner alone." if files else "None made yet."
    )


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = next(path for path in (settings.grid_home, *settings.grid_home.parents) if path.exists())
    usage = shutil.disk_usage(folder)
    free = usage.free / usage.total
    verdict: Verdict = "good" if free > 2 * LEAST_FREE else "note" if free > LEAST_FREE else "unsafe"
    yield Finding("disk", verdict, f"{usage.free / 2**30:.1f} GiB free ({free:.0%}).")


def _clock(settings: Settings) -> Iterator[Finding]:
    """Compare with the database's clock, which alone decides leases; tokens allow 30 s."""
    from datetime import UTC, datetime

    from grid.database.engine import create_database
    from grid.database.uow import UnitOfWork

    if not settings.database_url:
        return  # one machine, one clock
    try:
        database = create_database(settings.resolved_database_url, application="doctor")
        try:
            with UnitOfWork(database).read() as tx:
                skew = abs((tx.now() - datetime.now(UTC)).total_seconds())
        finally:
            database.close()
    except GridError:
        return  # said under "database"
    verdict: Verdict = "good" if skew < 5 else "note" if skew < 30 else "unsafe"
    yield Finding("clock", verdict, f"{skew:.1f} s from the database's clock.")


def _database(settings: Settings) -> Iterator[Finding]:
    from grid.database import migrate

    if not settings.database_url and not (settings.grid_home / "grid.db").exists():
        yield Finding("database", "note", "Not made yet; `grid up` makes it.")
        return
    try:
        problems = migrate.check(settings.resolved_database_url)
    except GridError as error:
        problems = [str(error)]
    yield Finding("database", "unsafe" if problems else "good", "; ".join(problems) or "Sound, and of this version.")


def _broker(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None or not settings.rings_redis:
        return
    from importlib.util import find_spec

    if find_spec("redis") is None:
        yield Finding("broker", "unsafe", "REDIS_URL is set; install grid-throughput[scale].")
        return
    from grid.runtime.redis_bus import examine as examine_redis

    try:
        told = examine_redis(settings.redis_url)
    except GridError as error:
        yield Finding("broker", "note", f"{error} Workers look by themselves meanwhile.")
        return
    for is_forbidden, sentence in told:
        yield Finding("broker", "unsafe" if is_forbidden else "note", sentence)
    if not told:
        yield Finding("broker", "good", "Redis answers.")


def _artifacts(settings: Settings) -> Iterator[Finding]:
    """Say where results are, and what the self-test of an S3 server found."""
    from tempfile import TemporaryDirectory

    from grid.runtime.spool import Spool
    from grid.services.adapters import make_store

    if settings.artifacts_bucket is None:
        return  # the folder is said under "disk"
    with TemporaryDirectory(prefix="grid-doctor-") as folder:
        try:
            remark = make_store(settings, Spool(Path(folder) / "spool")).check()
        except GridError as error:
            yield Finding("artifacts", "unsafe", str(error))
            return
    words = "It puts objects once, checks what arrives and gives ranges."
    yield Finding("artifacts", "note" if remark else "good", f"{settings.grid_artifacts_url}: {remark or words}")


def _sandbox(settings: Settings) -> Iterator[Finding]:
    yield from _images(settings)
    yield _engine(settings)


def _images(settings: Settings) -> Iterator[Finding]:
    from grid.database.engine import create_database
    from grid.database.uow import UnitOfWork
    from grid.services.images import choose_runner, list_images

    if not settings.database_url and not (settings.grid_home / "grid.db").exists():
        return
    database = create_database(settings.resolved_database_url, application="doctor")
    try:
        kinds = {one.name: choose_runner(one, settings.grid_runner) for one in list_images(UnitOfWork(database))}
    except GridError:
        return  # the database itself is a finding already
    finally:
        database.close()
    words = ", ".join(f"{image} ({kind or 'no sandbox available'})" for image, kind in kinds.items())
    yield Finding("images", "good" if all(kinds.values()) else "note", f"{words or 'None may be named'}.")
    if "GRID_IMAGES" in os.environ:
        yield Finding("images", "note", "GRID_IMAGES is not used any more; `grid images` has the list.")


def _engine(settings: Settings) -> Finding:
    from grid.runtime.docker_api import Engine, EngineAwayError, require_confining

    if settings.grid_runner == "local":
        return Finding("docker", "good", "GRID_RUNNER rules containers out.")
    try:
        version = require_confining(Engine(settings.docker_host))
    except EngineAwayError as error:
        verdict: Verdict = "unsafe" if settings.grid_runner == "docker" else "note"
        return Finding("docker", verdict, f"{error} No container runs here.")
    except GridError as error:
        return Finding("docker", "unsafe", str(error))
    return Finding("docker", "good", f"Engine {version} confines containers.")


def _kernels(settings: Settings) -> Iterator[Finding]:
    """Say where compiled kernels are kept, how many and how large, and what is left to be compiled."""
    from grid.engine import kernel_folder, warmup
    from grid.runtime.environment import find_kernel_cache
    from grid.utils.user_cache import KERNELS, OFF

    os.environ[KERNELS] = place = find_kernel_cache(settings.grid_home, settings.grid_kernel_cache)
    folder = kernel_folder.find_folder()
    if folder is None:
        told = "is switched off" if place == OFF else f"cannot be used: {place} has to be yours alone to write"
        yield Finding("kernels", "note", f"The cache of compiled kernels {told}; every process compiles what it needs.")
        return
    held, groups = kernel_folder.count(folder), warmup.list_groups()
    missing, failed = warmup.find_missing(), warmup.find_failed()
    words = f"{folder}: {held.kernels} compiled, {held.bytes / 1e6:.0f} MB; {len(groups) - len(missing)} of "
    words += f"{len(groups)} groups" + (f"; not compiled yet: {'; '.join(missing)}" if missing else "")
    words += f"; could not be compiled: {'; '.join(failed)}" if failed else ""
    yield Finding("kernels", "note" if missing or failed else "good", f"{words}.")


def _speed(settings: Settings) -> Iterator[Finding]:
    """Say by whose speed methods are chosen."""
    from grid.engine.costs.calibration import GROUPS, REFERENCE, find_file, load
    from grid.runtime.environment import find_calibration

    folder = find_calibration(settings.grid_calibration)
    found = None if folder == "off" else load(find_file(Path(folder)))
    if found is not None:
        factors = ", ".join(f"{name} {found.factor(name):.2g}" for name in GROUPS)
        yield Finding("speed", "good", f"{found.processor}, times of the cost model's machine: {factors}.")
    elif folder == "off":
        yield Finding("speed", "note", f"Calibration is off; methods are chosen as for the {REFERENCE.processor}.")
    else:
        yield Finding("speed", "note", "Not measured yet; a worker does it when it is idle, or `grid calibrate`.")


def _versions() -> Iterator[Finding]:
    """Name installed versions below those that mend a published advisory (docs/security.md lists them)."""
    from importlib.metadata import version

    floors = {"pyjwt": (2, 13, 0), "starlette": (1, 5, 1)}
    old = []
    for name, floor in floors.items():
        found = tuple(int(part) for part in version(name).split(".")[:3] if part.isdigit())
        if found < floor:
            old.append(f"{name} {version(name)} is below {'.'.join(map(str, floor))}")
    yield Finding("versions", "unsafe" if old else "good", "; ".join(old) or "None with a known advisory.")
