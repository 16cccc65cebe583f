"""The data folder: private, local, one server at a time; and processes are known by more than a number."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grid.core.errors import ConfigurationError
from grid.runtime.home import (
    HomeError,
    InstanceLock,
    InstanceRunningError,
    find_running,
    open_home,
    require_local_file_system,
    write_pid_file,
)
from grid.runtime.processes import find_start_time, is_same_process

LONG_AGO = 1


@pytest.fixture
def home(tmp_path):
    return open_home(tmp_path / ".grid")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_home_has_its_folders_for_the_owner_alone(home):
    folders = [home.root, home.run, home.logs, home.secrets, home.cache, home.backups]

    assert {mode_of(folder) for folder in folders} == {0o700}
    assert open_home(home.root) == home


def test_a_home_that_became_readable_is_closed_again(home):
    home.root.chmod(0o755)
    home.secrets.chmod(0o777)
    open_home(home.root)

    assert mode_of(home.root) == mode_of(home.secrets) == 0o700


def test_a_folder_with_other_things_in_it_is_not_locked_up(tmp_path):
    (tmp_path / "documents").mkdir(mode=0o755)
    (tmp_path / "documents" / "letter.txt").touch()

    with pytest.raises(HomeError, match="GRID_HOME"):
        open_home(tmp_path / "documents")
    assert mode_of(tmp_path / "documents") == 0o755


def test_a_link_a_file_and_a_place_that_cannot_be_made_are_refused(tmp_path, home):
    (tmp_path / "link").symlink_to(home.root)
    (tmp_path / "file").touch()

    for place in ("link", "file", "file/below"):
        with pytest.raises(ConfigurationError, match="folder"):
            open_home(tmp_path / place)


def test_somebody_elses_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(HomeError, match="another user"):
        open_home(tmp_path / "theirs")


def test_a_network_file_system_is_refused_by_name(home, monkeypatch):
    monkeypatch.setattr("grid.runtime.home.find_network_file_system", lambda _: "nfs4")

    with pytest.raises(HomeError, match="nfs4"):
        require_local_file_system(home.root)


def test_the_second_server_is_told_who_holds_the_folder(home):
    with InstanceLock(home, "server"), pytest.raises(InstanceRunningError, match=str(os.getpid())) as caught:
        InstanceLock(home, "server").acquire()
    assert caught.value.pid == os.getpid()
    assert str(home.root) in str(caught.value)

    with InstanceLock(home, "server"), InstanceLock(home, "worker"):
        assert json.loads((home.root / "instance.lock").read_text())["role"] == "server"


def test_a_lock_ends_with_its_holder_even_when_it_is_killed(home):
    script = (
        "import sys, time; from pathlib import Path; from grid.runtime.home import *; "
        "InstanceLock(open_home(Path(sys.argv[1])), 'server').acquire(); print('held', flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", script, str(home.root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InstanceRunningError) as caught:
            InstanceLock(home, "server").acquire()
        assert caught.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        with InstanceLock(home, "server"):
            pass


def test_a_lock_file_without_words_is_still_a_lock(home):
    with InstanceLock(home, "server"):
        (home.root / "instance.lock").write_text("")
        with pytest.raises(InstanceRunningError, match="another process"):
            InstanceLock(home, "server").acquire()


def test_a_pid_file_counts_while_the_very_process_lives(home):
    assert find_running(home, "worker") is None
    path = write_pid_file(home, "worker")
    assert find_running(home, "worker") == os.getpid()
    assert mode_of(path) == 0o600

    words = json.loads(path.read_text())
    path.write_text(json.dumps(words | {"start_time": LONG_AGO}))  # the number went to somebody else
    assert find_running(home, "worker") is None
    path.write_text("not json")
    assert find_running(home, "worker") is None


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the child of this fork ends at once
def test_a_zombie_is_no_running_process():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert find_start_time(pid) is None
    os.waitpid(pid, 0)
    assert not is_same_process(pid, LONG_AGO)
