"""Event queue, leases, log chunks, heartbeat and the register of children."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.ledgers import MemoryLedger

from grid.runtime.processes import find_start_time
from grid.schemas.jobs import Claim
from grid.services.ledger import Renewal
from grid.services.renders import RenderClaim
from grid.tasks.events import EventQueue, LeasesRenewed
from grid.tasks.heartbeat import HASTE_LIMIT, Heartbeat
from grid.tasks.leases import Leases, fence_margin_s
from grid.tasks.log_chunks import CAP_LINE, CHUNK_BYTES, LogChunker
from grid.tasks.orphans import ChildRegister, end_orphans


def is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_an_event_queue_is_readable_while_an_event_waits_and_keeps_the_order():
    events: EventQueue[int] = EventQueue()
    try:
        assert not is_readable(events.fileno())
        for event in (1, 2, 3):
            events.put(event)
        assert is_readable(events.fileno())
        assert events.take() == [1, 2, 3]
        assert not is_readable(events.fileno())
        events.wake()
        assert is_readable(events.fileno())
        assert events.take() == []
        assert not is_readable(events.fileno())
    finally:
        events.close()


def test_a_closed_event_queue_drops_events_without_an_error():
    events: EventQueue[int] = EventQueue()
    events.close()
    events.put(1)
    events.wake()
    events.close()


@given(st.floats(2.0, 600.0))
def test_a_worker_gives_up_before_its_lease_ends_and_after_a_heartbeat_could_have_come(lease_s: float):
    margin = fence_margin_s(lease_s)
    assert 0 < margin <= min(5.0, lease_s / 2)


@given(st.lists(st.text(max_size=9000), max_size=12), st.integers(1, 60_000))
def test_a_log_is_whole_in_order_and_in_bounds(texts: list[str], cap: int):
    claim = Claim(uuid4(), 1)
    chunker = LogChunker(claim, cap_bytes=cap)

    chunks = [chunk for text in texts for chunk in chunker.chunks(text)]

    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert all(0 < len(chunk.text.encode()) <= CHUNK_BYTES and "\0" not in chunk.text for chunk in chunks)
    said = "".join(texts).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    written = "".join(chunk.text for chunk in chunks)
    if len(said.encode()) <= cap:
        assert written == said
    else:
        assert written.endswith(CAP_LINE)
        assert said.startswith(written.removesuffix(CAP_LINE))
        assert written.count(CAP_LINE) == 1


def make_heartbeat(ledger: MemoryLedger, leases: Leases, events: list[object], **options: object) -> Heartbeat:
    return Heartbeat(ledger, leases, events.append, every_s=3600.0, **options)  # type: ignore[arg-type]


def test_a_heartbeat_renews_everything_in_one_call_and_names_what_is_lost():
    ledger, leases, events = MemoryLedger(), Leases(), []
    claims, render = [Claim(uuid4(), 1) for _ in range(3)], RenderClaim(uuid4(), 2)
    leases.hold(claims)
    leases.hold_render(render)
    nothing: frozenset[Claim] = frozenset()
    ledger.renewal = Renewal(frozenset(claims[:2]), frozenset(claims[2:]), frozenset(claims[:1]), nothing)
    ledger.renders_kept = frozenset()
    signs: list[int] = []

    make_heartbeat(ledger, leases, events, sign_in=lambda: signs.append(1)).beat()

    (event,) = events
    assert isinstance(event, LeasesRenewed)
    assert (event.renewal, event.renders_lost) == (ledger.renewal, {render})
    assert len(ledger.renewed) == 1
    assert sorted(ledger.renewed[0]) == sorted(claims)
    assert signs == [1]


def test_a_heartbeat_without_leases_only_signs_in():
    ledger, events, signs = MemoryLedger(), [], []

    make_heartbeat(ledger, Leases(), events, sign_in=lambda: signs.append(1)).beat()

    assert (events, ledger.renewed, signs) == ([], [], [1])


def test_a_ring_hastens_the_heartbeat_of_few_leases_only():
    ledger, leases, events = MemoryLedger(), Leases(), []
    heartbeat = make_heartbeat(ledger, leases, events)
    triggers: list[int] = []
    heartbeat._task.trigger = lambda: triggers.append(1)  # type: ignore[method-assign]

    heartbeat.hasten()
    leases.hold([Claim(uuid4(), 1)])
    heartbeat.hasten()
    leases.hold([Claim(uuid4(), 1) for _ in range(HASTE_LIMIT)])
    heartbeat.hasten()

    assert triggers == [1]


def test_leases_are_held_and_released_by_claim():
    leases, claim, render = Leases(), Claim(uuid4(), 1), RenderClaim(uuid4(), 1)
    leases.hold([claim])
    leases.hold_render(render)
    assert (leases.jobs(), leases.renders(), leases.count()) == ([claim], [render], 2)
    leases.release([claim, Claim(uuid4(), 1)])
    leases.release_render(render)
    leases.release_render(render)
    assert leases.count() == 0


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def test_what_a_dead_worker_left_is_ended_and_a_reused_pid_is_not(tmp_path: Path, sleeper):
    start = find_start_time(sleeper.pid)
    dead = {"owner": [1 << 22, 5], "children": [[sleeper.pid, start], [os.getpid(), 1]]}
    (tmp_path / "children-4194304.json").write_text(json.dumps(dead))
    (tmp_path / "children-damaged.json").write_text("{")

    assert end_orphans(tmp_path) == 1

    assert sleeper.wait(10) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_children_of_a_living_worker_are_left_alone(tmp_path: Path, sleeper):
    register = ChildRegister(tmp_path)
    register.write([sleeper.pid, 1 << 22])

    assert end_orphans(tmp_path) == 0

    assert sleeper.poll() is None
    register.remove()
    register.remove()
    assert list(tmp_path.iterdir()) == []
