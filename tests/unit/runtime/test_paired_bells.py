"""Two doorbells as one: both ring, either is heard, and an origin is made once."""

import select
from pathlib import Path
from threading import Thread
from uuid import UUID, uuid4

import pytest
from tests.doubles.bells import MemoryDoorbell

from grid.runtime.paired_bells import PairedDoorbell, PairedListener, find_origin


class FarDoorbell(MemoryDoorbell):
    """A double of a bell that reaches other machines."""

    kind, problem, lost, is_closed = "memory", "", 0, False

    def close(self) -> None:
        self.is_closed = True


def is_readable(listener: PairedListener) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


def test_both_bells_ring_and_either_is_heard():
    near, far = MemoryDoorbell(), FarDoorbell()
    listener = PairedListener(lambda: near.listen("work"), lambda: far.listen("work"))
    PairedDoorbell(near, far).ring("work", hint := uuid4())

    assert (near.rings, far.rings) == ([("work", hint)], [("work", hint)])
    assert listener.drain() == 2
    assert listener.last_hint == hint
    assert not is_readable(listener)
    for bell in (near, far):
        bell.ring("work", UUID(int=7))
        assert is_readable(listener)
        assert listener.drain() == 1
    listener.close()


def test_the_bell_to_others_is_closed_with_both():
    far = FarDoorbell()
    PairedDoorbell(MemoryDoorbell(), far).close()

    assert far.is_closed


def test_a_listener_that_cannot_be_made_leaves_the_other_closed():
    near = MemoryDoorbell()

    def fail():
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - as it was raised
        PairedListener(lambda: near.listen("work"), fail)
    assert near.listeners.get("work", []) == []


def test_an_origin_is_made_once_however_many_ask(tmp_path: Path):
    found: list[str] = []
    threads = [Thread(target=lambda: found.append(find_origin(tmp_path / "run"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1
    assert len(found[0]) == 16
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["bell-origin"]
