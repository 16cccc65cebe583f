"""The doorbell of one machine: what only sockets can get wrong; the contract is in tests/integration/test_bells.py."""

import os
import socket
from pathlib import Path
from threading import Thread

import pytest

from grid.runtime.bus import UnixBellListener, UnixDoorbell, does_bell_ring


def test_the_socket_of_a_dead_listener_is_removed_and_a_living_ones_kept(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "work-1-dead.sock"))
    listener = UnixBellListener(tmp_path, "work")
    UnixDoorbell(tmp_path).ring("work")

    assert [path.name for path in tmp_path.iterdir()] == [listener.path.name]
    assert listener.drain() == 1
    listener.close()
    assert list(tmp_path.iterdir()) == []


def test_a_path_longer_than_a_socket_address_works(tmp_path):
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    listener = UnixBellListener(folder, "work")
    UnixDoorbell(folder).ring("work")

    assert len(str(listener.path)) > 108
    assert listener.drain() == 1
    listener.close()


def test_a_missing_folder_or_other_files_do_not_matter(tmp_path):
    UnixDoorbell(tmp_path / "nowhere").ring("work")
    (tmp_path / "work-file.sock").write_text("not a socket")
    (tmp_path / "work-gone.sock").symlink_to(tmp_path / "gone")
    UnixDoorbell(tmp_path).ring("work")


def test_a_socket_is_its_owners_alone(tmp_path):
    listener = UnixBellListener(tmp_path, "work")

    assert listener.path.stat().st_mode & 0o777 == 0o600
    listener.close()


def test_rings_from_many_threads_leave_no_descriptor_open(tmp_path):
    listener, doorbell = UnixBellListener(tmp_path, "work"), UnixDoorbell(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    threads = [Thread(target=lambda: [doorbell.ring("work") for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 0 < listener.drain() <= 400
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    listener.close()


def test_a_listener_that_cannot_bind_closes_its_socket(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: "x" * 300)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    with pytest.raises(OSError, match="too long"):
        UnixBellListener(tmp_path, "work")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_bell_that_wakes_nobody_is_told(tmp_path):
    assert does_bell_ring(tmp_path)
    assert list(tmp_path.iterdir()) == []
    blocked = tmp_path / "file"
    blocked.write_text("no folder", encoding="utf-8")

    assert not does_bell_ring(blocked)
