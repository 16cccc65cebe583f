"""A place for each peer: a virtual environment under .bench/peers from hashed pins, or the distribution's PETSc."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".bench"
PINS = Path(__file__).parent / "peers"
OWN = "grid"  # the environment that the benchmarks run in
PETSC = "petsc"


class EnvironmentMissingError(Exception):
    """A peer cannot be had on this machine; says why."""


@dataclass(frozen=True)
class Environment:
    """A Python and the variables that it needs."""

    python: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def prepare(name: str, pins: Path = PINS) -> Environment:
    """Return the environment of that name, made from its file of pins in that folder if it is not there yet.

    Raises:
        EnvironmentMissingError: It cannot be made.
    """
    if name == OWN:
        return Environment(Path(sys.executable), {"NUMBA_CACHE_DIR": str(PLACE / "numba")})
    return _find_petsc() if name == PETSC else _install(name, pins / f"{name}.txt")


def _install(name: str, pins: Path) -> Environment:
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    place = PLACE / "peers" / name
    python, stamp = place / "bin" / "python", place / "pins.sha256"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != digest:
        print(f"Installing {name} into {place.relative_to(ROOT)} ...", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins]
        for command in ([sys.executable, "-m", "venv", place], install):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise EnvironmentMissingError(f"{name} could not be installed: {done.stderr.strip()[-300:]}")
        stamp.write_text(digest, encoding="ascii")
    return Environment(python)


def _find_petsc() -> Environment:
    """PETSc with petsc4py as Debian packs it; it has no wheel."""
    python = shutil.which("python3", path=os.defpath)
    coordinates = sorted(Path("/usr/lib/petscdir").glob("petsc*/*-real/lib/python3/dist-packages/petsc4py"))
    if python is None or not coordinates:
        raise EnvironmentMissingError("PETSc is not here (Debian: apt-get install python3-petsc4py)")
    return Environment(Path(python), {"PETSC_DIR": str(coordinates[-1].parents[3])})
