"""Snapshots of a live run on disk: whole, in order, without holding up the loop, and readable by the next owner."""

import threading
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from grid.core.errors import StorageFullError
from grid.engine.live import Scene, Session, plan_clock
from grid.runtime.live.messages import SnapshotFile, Snapshotted
from grid.runtime.live.snapshots import EVERY_S, SnapshotWriter, read_state
from grid.runtime.store import LocalArtifactStore

CASE = {
    "domain": {"size": [1.0, 0.8], "section": 0.01},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0},
    "initial": 300.0,
    "resolution": {"cells": [12, 10]},
    "temperature_unit": "K",
}
SCENE = Scene.from_json({"case": CASE})
OVERLOAD = {"kind": "overload", "power_w": 50.0}


class Sent:
    """Messages to the supervisor; `wait` returns the next."""

    def __init__(self) -> None:
        self.messages: list[object] = []
        self._came = threading.Semaphore(0)

    def send(self, message: object) -> None:
        self.messages.append(message)
        self._came.release()

    def wait(self) -> Snapshotted:
        assert self._came.acquire(timeout=10.0)
        message = self.messages[-1]
        assert isinstance(message, Snapshotted)
        return message


class FullStore(LocalArtifactStore):
    """A disk without room."""

    def adopt(self, key: str, path: Path) -> int:
        raise StorageFullError("There is no room.")


@pytest.fixture
def session() -> Session:
    made = Session(SCENE, plan_clock(SCENE, 0.25))
    made.apply(OVERLOAD)
    made.advance(5)
    return made


def writer(store: LocalArtifactStore, sent: Sent, clock: list[float] | None = None) -> SnapshotWriter:
    now = clock or [0.0]
    return SnapshotWriter(store, uuid4(), 3, sent, clock=lambda: now[0])


def listed(message: Snapshotted) -> SnapshotFile:
    assert message.file is not None
    return SnapshotFile(message.file.key, message.tick, message.file.sha256)


def test_a_stored_state_goes_on_to_the_bytes_of_the_run_that_went_on(tmp_path: Path, session: Session) -> None:
    store, sent = LocalArtifactStore(tmp_path), Sent()
    writer(store, sent).keep(session, 7)
    session.advance(20)  # at once
    message = sent.wait()
    assert (message.seq, message.tick, message.applied_seq) == (7, 5, 1)
    data, wrong = read_state(store, [listed(message)])
    assert data is not None
    assert wrong == []
    again = Session.load(data, SCENE, plan_clock(SCENE, 0.25))
    again.advance(20)
    assert again.hash() == session.hash()
    assert "/3/" in listed(message).key


def test_a_damaged_or_missing_state_is_passed_over_and_named(tmp_path: Path, session: Session) -> None:
    store, sent = LocalArtifactStore(tmp_path), Sent()
    kept = writer(store, sent)
    found = []
    for _ in range(3):
        kept.keep(session, 1)
        found.append(listed(sent.wait()))
        session.advance(1)
    (tmp_path / found[2].key).chmod(0o600)
    (tmp_path / found[2].key).write_bytes(b"torn")
    store.delete(found[1].key)
    data, wrong = read_state(store, found[::-1])
    assert data is not None
    assert Session.load(data, SCENE, plan_clock(SCENE, 0.25)).tick == found[0].tick
    assert [str(one.tick) in words for one, words in zip(found[:0:-1], wrong, strict=True)] == [True, True]
    assert read_state(store, []) == (None, [])


def test_a_state_is_due_after_a_while_and_not_while_one_is_written(tmp_path: Path, session: Session) -> None:
    now, sent = [0.0], Sent()
    kept = writer(LocalArtifactStore(tmp_path), sent, now)
    assert not kept.is_due(now[0])
    now[0] = EVERY_S
    assert kept.is_due(now[0])
    kept.keep(session, 0)
    assert sent.wait().seq == 0
    assert not kept.is_due(now[0])
    now[0] += EVERY_S
    assert kept.is_due(now[0])


def test_a_disk_without_room_costs_a_snapshot_and_fails_a_result(tmp_path: Path, session: Session) -> None:
    sent = Sent()
    kept = writer(FullStore(tmp_path), sent)
    kept.keep(session, 1)
    message = sent.wait()
    assert message.file is None
    assert message.failure
    with pytest.raises(StorageFullError):
        kept.finish(session, is_result=True)
    assert list((tmp_path / ".staging").iterdir()) == []


def test_the_end_stores_the_state_and_the_fields_of_a_result(tmp_path: Path, session: Session) -> None:
    store, sent = LocalArtifactStore(tmp_path), Sent()
    files, last = writer(store, sent).finish(session, is_result=True)
    (file,) = files
    with store.open(file.key) as stored:
        np.testing.assert_array_equal(np.load(stored, allow_pickle=False), session.field())
    assert last is not None
    assert last.tick == session.tick
    assert read_state(store, [listed(last)])[0] is not None
