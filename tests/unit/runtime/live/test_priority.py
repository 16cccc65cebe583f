"""Priority of a run's process: low without a pace, and as it was with one, for threads that run already as well."""

import os
import subprocess
import sys

import pytest

from grid.runtime.live import priority
from grid.runtime.live.priority import Priority

PROGRAM = """
import os, threading
from grid.runtime.live.priority import Priority
go = threading.Event()
threading.Thread(target=go.wait).start()
priority, seen = Priority(), []
for speed in (1.0, "max", 2.0, "max"):
    priority.follow(speed)
    seen.append({os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")})
go.set()
print([sorted(one) for one in seen])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the system lets nobody else raise a priority again")
def test_every_thread_follows_the_speed() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True)
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    low = min(19, usual + priority.UNPACED_NICE)

    assert done.stdout.strip() == str([[usual], [low], [usual], [low]])


def test_a_system_that_refuses_leaves_the_run_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(_which: int, _who: int, nice: int) -> None:
        asked.append(nice)
        raise PermissionError("not for you")

    monkeypatch.setattr(os, "setpriority", refuse)
    own = Priority()

    assert [own.follow("max"), own.follow(1.0)] == [False, False]
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    assert asked == [usual + priority.UNPACED_NICE, usual]
