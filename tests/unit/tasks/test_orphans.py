"""The register of children, and the end of those that a killed worker left."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grid.runtime.processes import find_start_time
from grid.tasks.orphans import ChildRegister, end_orphans


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
