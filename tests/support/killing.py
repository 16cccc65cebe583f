"""Writers and children that are killed at random moments, for the short and the long form of the same claims."""

import hashlib
import io
import os
import signal
import time
from pathlib import Path
from random import Random
from typing import NoReturn

from grid.runtime.store import LocalArtifactStore


def kill_writers(root: Path, way: str, rounds: int, seed: int) -> None:
    """Let a process write blobs into one store and kill it, again and again; every third has finished one by then."""
    LocalArtifactStore(root)
    random = Random(seed)
    for round_ in range(rounds):
        heard, said = os.pipe()
        pid = os.fork()
        if pid == 0:
            _write_for_ever(root, round_, way, said)
        os.read(heard, 1)  # it begins
        if round_ % 3 == 0:
            os.read(heard, 1)  # it has finished one
        time.sleep(random.uniform(0.0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(heard)
        os.close(said)


def require_whole_blobs(store: LocalArtifactStore) -> int:
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


def _write_for_ever(root: Path, round_: int, way: str, said: int) -> NoReturn:
    store, number = LocalArtifactStore(root), 0
    os.write(said, b"!")
    while True:
        key = f"round{round_}/{number}.bin"
        if way == "put":
            store.put(key, io.BytesIO(expected_blob(key)))
        else:
            with store.draft() as draft:
                draft.write_bytes(expected_blob(key))
                store.adopt(key, draft)
        if number == 0:
            os.write(said, b"!")
        number += 1
