"""Group commit: who writes, what a group holds, and what is called after its commit."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.support.workers import wait_until

from grid.core.errors import UnavailableError
from grid.database import writer as writer_module
from grid.database.writer import Writer


@contextmanager
def begin():
    """A transaction that is none."""
    yield "transaction"


class Groups:
    """Remembers groups and the threads that wrote them; the first one waits until told to go on."""

    def __init__(self):
        self.seen, self.threads, self.after = [], [], []
        self.may_go = threading.Event()

    def write(self, _tx, items):
        self.seen.append(list(items))
        self.threads.append(threading.get_ident())
        assert self.may_go.wait(10)
        return [LookupError(item) if item == "bad" else f"{item}!" for item in items]


def test_a_write_that_is_alone_is_written_by_its_own_thread():
    groups, writer = Groups(), Writer()
    groups.may_go.set()

    assert writer.submit(begin, groups.write, "one") == "one!"
    assert groups.threads == [threading.get_ident()]
    with pytest.raises(LookupError, match="bad"):
        writer.submit(begin, groups.write, "bad", groups.after.append)
    assert groups.after == []  # nothing of it was stored


def test_what_comes_during_a_write_is_one_group_and_is_announced_once(monkeypatch):
    monkeypatch.setattr(writer_module, "GATHER_S", 0.0)
    groups, writer = Groups(), Writer()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(writer.submit, begin, groups.write, "first", groups.after.append)
        wait_until(lambda: groups.seen, "the first is being written")
        others = [pool.submit(writer.submit, begin, groups.write, str(n), groups.after.append) for n in range(7)]
        refused = pool.submit(writer.submit, begin, groups.write, "bad", groups.after.append)
        wait_until(lambda: len(writer._waiting) == 8, "the others wait")
        groups.may_go.set()
        assert first.result(10) == "first!"
        assert [other.result(10) for other in others] == [f"{n}!" for n in range(7)]
        with pytest.raises(LookupError, match="bad"):
            refused.result(10)

    assert [sorted(group) for group in groups.seen] == [["first"], sorted([*map(str, range(7)), "bad"])]
    assert groups.after[0] == "first!"
    assert len(groups.after) == 2


def test_closing_waits_for_what_is_being_written_and_takes_nothing_more():
    groups, writer = Groups(), Writer()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(writer.submit, begin, groups.write, "first")
        wait_until(lambda: groups.seen, "it is being written")
        closing = pool.submit(writer.close)
        wait_until(lambda: writer._closed, "it is being closed")
        with pytest.raises(UnavailableError, match="closed"):
            writer.submit(begin, groups.write, "late")
        assert not closing.done()
        groups.may_go.set()
        assert first.result(10) == "first!"
        closing.result(10)
