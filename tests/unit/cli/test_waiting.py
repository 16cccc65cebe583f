"""Waiting lasts as long as something happens, says what it waits for, and ends where nothing does."""

import httpx
import pytest

from grid.cli import sample, waiting
from grid.cli.output import explain
from grid.cli.sample import Waiting
from grid.cli.waiting import Patience, StalledError
from grid.client.errors import ProblemError, ServerUnreachableError


@pytest.fixture
def clock(monkeypatch):
    """Time, and the processor time of process 1, both set by the test."""

    class Clock:
        now = used = 0.0

        def __init__(self):
            self.said = []

        def patience(self) -> Patience:
            return Patience(self.said.append, lambda: [1], lambda: "Its log says: no.")

    clock = Clock()
    monkeypatch.setattr(waiting.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(waiting, "find_cpu_seconds", lambda _: clock.used)
    return clock


def test_it_waits_on_while_processes_compute_and_says_for_what(clock):
    patience = clock.patience()
    for _ in range(100):
        patience.look("the worker")
        clock.now += waiting.STILL_S / 4
        clock.used += 0.01

    assert clock.now > 20 * waiting.STILL_S
    assert all(line.startswith("waiting for the worker (") for line in clock.said)
    assert len(clock.said) == 99
    assert "1 s of processor time" in clock.said[-1]


def test_it_ends_when_nothing_has_happened_for_long(clock):
    patience = clock.patience()
    patience.look("the worker")
    clock.now = waiting.STILL_S - 1
    patience.look("the worker", state="other")  # that something has changed is enough
    clock.now += waiting.STILL_S
    patience.look("the worker", state="other")
    clock.now += 1.0
    with pytest.raises(StalledError, match=r"for the worker, and nothing has happened for 91 s\. Its log says: no\."):
        patience.look("the worker", state="other")


def test_it_does_not_wait_for_ever_for_processes_that_only_compute(clock):
    patience = clock.patience()
    while clock.now <= waiting.UNCHANGED_S:
        patience.look("the worker")
        clock.now += waiting.STILL_S / 2
        clock.used += 1.0
    with pytest.raises(StalledError):
        patience.look("the worker")


def test_what_is_over_at_once_is_not_spoken_of(clock):
    patience = clock.patience()
    for what in ("the server", "the worker", "the job"):
        patience.look(what)
        clock.now += 0.5
        patience.look(what)
        clock.now += 0.4
    assert clock.said == []


def late_read(words):
    error = httpx.ReadError(words)
    error.__cause__ = TimeoutError(words)  # as on the one connection of a proven call
    return error


@pytest.mark.parametrize("kind", [httpx.ReadTimeout, httpx.ConnectTimeout, late_read])
def test_a_call_whose_answer_comes_late_is_made_again_and_a_refused_one_is_not(clock, monkeypatch, kind):
    monkeypatch.setattr(sample.time, "sleep", lambda _: None)
    answers = iter([kind("late"), ProblemError(409, {"type": f"/problems/{sample.IN_FLIGHT}"}), "done"])

    def call():
        answer = next(answers)
        if isinstance(answer, httpx.TransportError):
            raise ServerUnreachableError("http://here", "late") from answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    asking = Waiting(None, clock.patience())
    assert asking.ask("an answer", call) == "done"
    answers = iter([ProblemError(403, {"type": "/problems/forbidden"})])
    with pytest.raises(ProblemError):
        asking.ask("an answer", call)
    answers = iter([httpx.ConnectError("refused")])
    with pytest.raises(ServerUnreachableError):
        asking.ask("an answer", call)


def test_a_time_that_is_over_is_not_unforeseen():
    assert explain(TimeoutError("job 1 is still queued")) == "it took too long: job 1 is still queued."
    assert "unforeseen" not in explain(TimeoutError())
