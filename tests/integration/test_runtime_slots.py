"""Slot children, for real: started, killed in the middle, orphaned; what they stored is whole or not there."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import numpy as np
import pytest
from tests.support.processes import find_group

from grid.runtime.messages import CancelPoints, ChildReady, Render, RenderFinished, Solve, SolveFinished, SolveStarted
from grid.runtime.processes import find_descendants, find_start_time, is_same_process
from grid.runtime.scratch import remove_orphaned_scratch
from grid.runtime.slots import SlotChild, SlotFactory, SlotLostError
from grid.runtime.store import LocalArtifactStore
from grid.schemas.jobs import Claim, Reason

ROOT = Path(__file__).parents[2]
POINTS = 300
TOYS = "tests.doubles.simulations:load_registry"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def factory(home: Path) -> Iterator[SlotFactory]:
    factory = make_factory(home)
    yield factory
    factory.close()


def make_factory(home: Path, **options) -> SlotFactory:
    return SlotFactory(home, home / "artifacts", registry=TOYS, extra_path=(ROOT,), **options)


@pytest.fixture(params=["small", "large"])
def child(request: pytest.FixtureRequest, factory: SlotFactory) -> Iterator[SlotChild]:
    child = factory.start(request.param)
    yield child
    child.kill()


def make_solve(*points: dict, simulation: str = "toy") -> Solve:
    batch = uuid4()
    claims = [Claim(uuid4(), 1) for _ in points]
    return Solve(batch, simulation, claims, points, f"packs/20260102/{batch}.npy")


def receive(child: SlotChild, kind: type, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while child.poll(max(0.0, deadline - time.monotonic())):
        message = child.receive()
        if isinstance(message, kind):
            return message
    raise AssertionError(f"no {kind.__name__} came")


def receive_until_end_of_file(child: SlotChild) -> None:
    with pytest.raises(EOFError):  # noqa: PT012 - some messages may come before
        while child.poll(30.0):
            child.receive()


def eventually(claim: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(0.01)
    return claim()


def stored_files(home: Path) -> list[str]:
    return [path.name for path in (home / "artifacts").rglob("*") if path.is_file()]


def test_a_child_solves_and_its_pack_is_stored(child, home):
    ready = receive(child, ChildReady)
    child.send(message := make_solve({"value": 3.0}, {"value": 4.0}))
    solved = receive(child, SolveFinished)

    assert ready == ChildReady(child.pid, {"toy": "toy-1", "bare": "toy-1"})
    assert [result.reason for result in solved.results] == [Reason.OK, Reason.OK]
    assert list(LocalArtifactStore(home / "artifacts").keys()) == [message.pack_key]


def test_small_and_large_children_and_one_that_is_busy_are_told_apart(factory):
    small, large = factory.start("small"), factory.start("large", tokens=2)
    for child in (small, large):
        receive(child, ChildReady)
    environments = [environment_of(child.pid) for child in (small, large)]
    small.send(make_solve({}))

    assert wait([small, large], timeout=10) == [small]
    assert environments[1]["NUMBA_NUM_THREADS"] == "2"
    assert factory.server_pid not in (small.pid, large.pid)
    for child in (small, large):
        child.kill()


def environment_of(pid: int) -> dict[str, str]:
    data = Path(f"/proc/{pid}/environ").read_bytes().decode()
    return dict(entry.split("=", 1) for entry in data.split("\0") if entry)


def test_nothing_of_the_environment_but_the_allowed_reaches_a_child(home, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/db")
    monkeypatch.setenv("GRID_SECRET_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    factory = make_factory(home)
    children = [factory.start("small"), factory.start("large")]
    pids = [factory.server_pid, *(child.pid for child in children)]
    for child in children:
        receive(child, ChildReady)
    allowed = {"PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "MPLCONFIGDIR", "MPLBACKEND"}
    allowed |= {"GRID_CALIBRATION", "GRID_KERNEL_CACHE"}
    pins = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS"}

    for pid in pids:
        assert set(environment_of(pid)) <= allowed | pins | {"NUMBA_CACHE_DIR"}
        assert environment_of(pid)["NUMBA_CACHE_DIR"] == str(home / "cache" / "numba")
    factory.close()
    for child in children:
        child.kill()


def test_a_child_holds_no_descriptor_of_its_neighbours_or_of_the_supervisor(factory):
    first, second = factory.start("small"), factory.start("small")
    receive(first, ChildReady)
    receive(second, ChildReady)
    sockets = [
        {target for file in Path(f"/proc/{child.pid}/fd").iterdir() if "socket" in (target := link(file))}
        for child in (first, second)
    ]

    assert [len(found) for found in sockets] == [1, 1]
    assert not sockets[0] & sockets[1]
    first.kill()
    second.kill()


def link(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:
        return ""


def test_the_fork_server_has_one_thread(factory):
    child = factory.start("small")
    receive(child, ChildReady)

    assert len(list(Path(f"/proc/{factory.server_pid}/task").iterdir())) == 1
    child.kill()


def test_a_child_leads_a_session_and_a_group_of_its_own(child):
    receive(child, ChildReady)

    assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid


def test_a_killed_child_is_at_end_of_file_and_leaves_no_part_of_a_pack(child, home):
    receive(child, ChildReady)
    child.send(make_solve({"duration_s": 30.0}))
    receive(child, SolveStarted)
    os.kill(child.pid, signal.SIGKILL)

    receive_until_end_of_file(child)
    assert child.exit_reason() is not None
    assert (child.exit_reason().signal, child.exit_reason().was_killed) == (signal.SIGKILL, False)
    assert stored_files(home) == []


def test_packs_of_children_killed_at_any_moment_are_whole_or_not_there(factory, home):
    """The long form is in tests/faults."""
    kill_children(factory, rounds=10, seed=3)
    assert require_whole_packs(LocalArtifactStore(home / "artifacts")) <= 10


def kill_children(factory: SlotFactory, rounds: int, seed: int) -> None:
    """Kill a child at a random moment after it began a batch, again and again; every fifth is left to finish."""
    random = Random(seed)
    for round_ in range(rounds):
        child = factory.start("small")
        receive(child, ChildReady)
        child.send(make_solve(*({"value": float(i)} for i in range(POINTS))))
        receive(child, SolveStarted)
        if round_ % 5 == 0:
            receive(child, SolveFinished)
        time.sleep(random.uniform(0.0, 0.03))
        os.kill(child.pid, signal.SIGKILL)
        receive_until_end_of_file(child)
        child.kill()


def require_whole_packs(store: LocalArtifactStore) -> int:
    found = 0
    for key in store.keys("packs/"):
        with store.open(key) as blob:
            values = np.load(blob)["value"]
        assert list(values) == [2.0 * i for i in range(POINTS)]
        found += 1
    assert found > 0
    return found


def test_a_kernel_that_holds_the_interpreter_can_be_killed(child):
    receive(child, ChildReady)
    child.send(make_solve({"mode": "hold"}))
    receive(child, SolveStarted)
    reason = child.kill()

    assert (reason.signal, reason.was_killed, reason.is_oom) == (signal.SIGKILL, True, False)
    assert not is_same_process(child.pid, child.start_time)
    assert child.kill() == reason  # twice is harmless


def test_a_child_that_ends_itself_tells_its_exit_code(child):
    receive(child, ChildReady)
    child.send(make_solve({"mode": "exit"}))

    receive_until_end_of_file(child)
    assert child.exit_reason().exit_code == 3


def test_an_idle_child_leaves_by_itself_when_the_supervisor_hangs_up(child):
    receive(child, ChildReady)

    assert child.exit_reason(0.0) is None
    assert child.close(5.0).exit_code == 0
    assert not child.scratch.exists()


def test_memory_above_the_limit_is_measured_and_called_oom(home):
    factory = make_factory(home, memory_bytes=200 << 20)
    child = factory.start("small")
    receive(child, ChildReady)
    assert not child.is_over_memory()
    child.send(make_solve({"mode": "eat"}))

    assert eventually(child.is_over_memory, 30.0)
    assert child.kill(is_oom=True).is_oom
    assert child.rss_bytes() == 0
    factory.close()


def test_a_point_left_out_in_the_middle_costs_its_neighbour_nothing(child):
    receive(child, ChildReady)
    child.send(message := make_solve({"duration_s": 30.0}, {"value": 2.0}))
    receive(child, SolveStarted)
    child.send(CancelPoints(message.batch_id, frozenset({message.claims[0].job_id})))

    results = receive(child, SolveFinished).results
    assert [result.reason for result in results] == [Reason.CANCELLED_BY_USER, Reason.OK]


def test_files_are_made_from_a_stored_record(child, home):
    receive(child, ChildReady)
    child.send(message := make_solve({"value": 3.0}))
    manifest = receive(child, SolveFinished).results[0].manifest
    child.send(Render(uuid4(), UUID(int=1), "toy", message.points[0], manifest, ["meta.json"], "renders/1/1/toy-1"))
    rendered = receive(child, RenderFinished)

    assert rendered.failure is None
    with LocalArtifactStore(home / "artifacts").open(rendered.files[0]["key"]) as blob:
        assert json.loads(blob.read()) == {"value": 6.0}


def test_the_death_of_the_fork_server_takes_its_children_and_the_next_start_makes_another(factory):
    child, busy = factory.start("small"), factory.start("large")
    pids = [(c.pid, c.start_time) for c in (child, busy)]
    receive(child, ChildReady)
    receive(busy, ChildReady)
    busy.send(make_solve({"mode": "hold"}))
    receive(busy, SolveStarted)
    os.kill(factory.server_pid, signal.SIGKILL)

    assert eventually(lambda: not any(is_same_process(*pid) for pid in pids))
    for dead in (child, busy):
        with pytest.raises(EOFError):
            dead.receive()
        assert dead.exit_reason() is not None
        dead.kill()
    again = factory.start("small")
    receive(again, ChildReady)
    again.kill()


def test_a_fork_server_that_cannot_start_is_reported(home):
    factory = SlotFactory(home, home / "artifacts", registry="no.such.module:load", extra_path=(ROOT,))
    child = factory.start("small")

    with pytest.raises(EOFError):
        child.receive()
    with pytest.raises(SlotLostError):
        _ = child.pid
    child.kill()
    factory.close()


def test_a_child_can_be_ended_before_it_is_born(factory, home):
    child = factory.start("small")  # the fork server is still loading
    assert child.kill() is None
    assert child.close() is not None
    other = factory.start("small")
    receive(other, ChildReady)
    members = find_descendants(factory.server_pid)

    assert eventually(lambda: find_descendants(factory.server_pid) == [other.pid]), members
    other.kill()


def test_a_message_that_is_cut_off_by_death_is_an_end_of_file(tmp_path):
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    child = SlotChild("small", 1, Connection(ours.detach()), reading, tmp_path / "scratch")
    with theirs:
        theirs.sendall((1000).to_bytes(4, "big") + b"half a message")
    os.close(writing)

    with pytest.raises(EOFError):
        child.receive()
    child.kill()


def test_the_installed_simulations_load_without_threads_and_agree_between_kinds_of_children(home):
    factory = SlotFactory(home, home / "artifacts")
    hashes = []
    for kind, tokens in (("small", 1), ("large", 2)):
        child = factory.start(kind, tokens=tokens)
        receive(child, ChildReady, 100.0)
        child.send(make_solve({"diffusivity": 0.02}, simulation="heat-rod"))
        hashes.append(receive(child, SolveFinished).results[0].manifest["pack"]["sha256"])
        assert len(list(Path(f"/proc/{factory.server_pid}/task").iterdir())) == 1
        child.kill()
    factory.close()

    assert hashes[0] == hashes[1]
    assert any(Path(factory.kernels).rglob("*.kernel"))  # shared with every other run of this user


SUPERVISOR = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.integration.test_runtime_slots import *
factory = make_factory(Path(sys.argv[1]))
children = [factory.start("small"), factory.start("small"), factory.start("large")]
for child, mode in zip(children, ["ok", "hold", "hold"]):
    receive(child, ChildReady)
    if mode == "hold":
        child.send(make_solve({{"mode": "hold"}}))
        receive(child, SolveStarted)
print(json.dumps([factory.server_pid, *(child.pid for child in children)]), flush=True)
time.sleep(60)
"""


def test_nothing_outlives_a_supervisor_that_was_killed(home):
    """Idle and in the middle of a kernel that holds the interpreter, behind the fork server in between."""
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(home)], stdout=subprocess.PIPE)
    with supervisor:
        pids = json.loads(supervisor.stdout.readline())
        starts = {pid: find_start_time(pid) for pid in pids}
        supervisor.kill()
        supervisor.wait()

        assert all(starts.values())
        assert eventually(lambda: not any(is_same_process(pid, starts[pid]) for pid in pids))
    assert [member for pid in pids for member in find_group(pid)] == []
    assert remove_orphaned_scratch(home) == 4  # three children and the server
    assert list((home / "run" / "scratch").iterdir()) == []
