"""Writers and children that are killed at random moments, for the short and the long form of the same claims."""

import hashlib
import io
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NoReturn, TypeVar

from grid.runtime.s3_client import S3Clients, S3Place
from grid.runtime.s3_store import S3ArtifactStore
from grid.runtime.spool import Spool
from grid.runtime.store import LocalArtifactStore
from grid.services.ports import ArtifactStore

Store = TypeVar("Store")


def kill_writers(root: Path, way: str, rounds: int, seed: int) -> None:
    """Let a process write blobs into one store and kill it, again and again; every third has finished one by then."""
    LocalArtifactStore(root)

    def write(store: LocalArtifactStore, key: str) -> None:
        if way == "put":
            store.put(key, io.BytesIO(expected_blob(key)))
            return
        with store.draft() as draft:
            draft.write_bytes(expected_blob(key))
            store.adopt(key, draft)

    kill_processes(lambda: LocalArtifactStore(root), write, rounds, seed)


def kill_uploaders(place: S3Place, folder: Path, rounds: int, seed: int) -> None:
    """The same for objects of an S3 server, each in a few parts."""

    def make() -> S3ArtifactStore:
        return S3ArtifactStore(S3Clients(place), Spool(folder / f"spool-{os.getpid()}"))

    kill_processes(make, lambda store, key: store.put(key, io.BytesIO(expected_blob(key))), rounds, seed)


def kill_processes(make: Callable[[], Store], write: Callable[[Store, str], object], rounds: int, seed: int) -> None:
    """Fork a process that makes a store and writes blobs, and kill it at a random moment, again and again."""
    random = Random(seed)
    for round_ in range(rounds):
        heard, said = os.pipe()
        pid = os.fork()
        if pid == 0:
            _write_for_ever(make, write, round_, said)
        os.read(heard, 1)  # it begins
        if round_ % 3 == 0:
            os.read(heard, 1)  # it has finished one
        time.sleep(random.uniform(0.0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(heard)
        os.close(said)


def require_whole_blobs(store: ArtifactStore) -> int:
    """Read everything that has a key; return how many blobs there are, all of them complete."""
    found = 0
    for key in store.keys():  # noqa: SIM118 - a store is no mapping
        with store.open(key) as blob:
            assert blob.read() == expected_blob(key)
        found += 1
    return found


def expected_blob(key: str) -> bytes:
    """Return what a writer stores under a key: 640 kB that follow from it."""
    return hashlib.sha256(key.encode()).digest() * 20_000


def _write_for_ever(
    make: Callable[[], Store], write: Callable[[Store, str], object], round_: int, said: int
) -> NoReturn:
    store, number = make(), 0
    os.write(said, b"!")
    while True:
        write(store, f"round{round_}/{number}.bin")
        if number == 0:
            os.write(said, b"!")
        number += 1
