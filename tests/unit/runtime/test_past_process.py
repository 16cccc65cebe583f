"""The child that computes the past: started when somebody asks, ended when nobody does, replaced when it dies."""

import threading
import time
from collections import deque
from uuid import uuid4

import pytest

from grid.core.errors import TooManyRequestsError, UnavailableError
from grid.runtime import past_process
from grid.runtime.live.past_messages import LookBack, LookedBack
from grid.runtime.messages import ChildReady
from grid.runtime.past_process import PastProcess
from grid.schemas.frame_requests import FrameRequest

ASKED = LookBack(uuid4(), {}, "1.0", "auto", 0, 1, "1", (), (), (3,), FrameRequest(), 10)


class Child:
    """Answers each request, unless it was told to do something else."""

    def __init__(self, how="answer"):
        self.how, self.is_big, self.was_killed, self.is_closed = how, False, False, False
        self.messages = deque([ChildReady(1)])
        self.may_go = threading.Event()

    def send(self, message):
        assert message is ASKED
        if self.how == "wait":
            self.may_go.wait(20)
        if self.how in {"answer", "wait"}:
            self.messages.append(LookedBack((b"frame",), 3))
        elif self.how == "odd":
            self.messages.append("odd")
        elif self.how == "die":
            self.messages.append(EOFError)

    def poll(self, timeout_s):
        return bool(self.messages) or bool(time.sleep(min(timeout_s, 0.01)))

    def receive(self):
        message = self.messages.popleft()
        if message is EOFError:
            raise EOFError
        return message

    def is_over_memory(self):
        return self.is_big

    def kill(self, *, is_oom=False):
        self.was_killed = True

    def close(self):
        self.is_closed = True


class Factory:
    """Starts the children that a test has made."""

    def __init__(self, *children):
        self.children, self.started, self.is_closed = deque(children), [], False

    def start(self, kind):
        assert kind == "small"
        self.started.append(self.children.popleft())
        return self.started[-1]

    def close(self):
        self.is_closed = True


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(past_process, "POLL_S", 0.01)


def test_one_child_answers_one_request_after_the_other_and_is_ended_when_nobody_asks():
    factory = Factory(Child())
    process = PastProcess(lambda: factory, idle_s=0.05)

    assert [process.look_back(ASKED).frames for _ in range(3)] == [(b"frame",)] * 3
    assert len(factory.started) == 1
    end = time.monotonic() + 20
    while not factory.is_closed:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert factory.started[0].is_closed
    process.close()  # harmless


@pytest.mark.parametrize("how", ["die", "odd"])
def test_a_child_that_dies_or_says_something_else_is_replaced(how):
    factory = Factory(Child(how), Child())
    process = PastProcess(lambda: factory)

    with pytest.raises(UnavailableError):
        process.look_back(ASKED)
    assert process.look_back(ASKED).computed == 3
    assert factory.started[0].was_killed
    process.close()


@pytest.mark.parametrize("is_big", [False, True])
def test_a_child_that_takes_too_long_or_too_much_memory_is_killed(is_big):
    child = Child("silent")
    child.is_big = is_big
    child.messages.clear()
    factory = Factory(child, Child())
    process = PastProcess(lambda: factory, wall_s=0.05 if not is_big else 60.0)
    if not is_big:
        child.messages.append(ChildReady(1))

    with pytest.raises(UnavailableError):
        process.look_back(ASKED)
    assert child.was_killed
    assert process.look_back(ASKED).frames == (b"frame",)
    process.close()


def test_only_a_few_wait_for_the_one_in_progress(monkeypatch):
    monkeypatch.setattr(past_process, "MOST_WAITING", 1)
    child = Child("wait")
    process = PastProcess(lambda: Factory(child))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(process.look_back(ASKED))) for _ in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    while process._waiting < 2:
        assert time.monotonic() < end
        time.sleep(0.005)

    with pytest.raises(TooManyRequestsError):
        process.look_back(ASKED)
    child.may_go.set()
    for thread in threads:
        thread.join()
    assert len(answers) == 2
    process.close()
