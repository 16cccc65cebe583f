"""Output of containers, measured without following a link; and processes, ended only where they are a container's."""

import io
import os
import subprocess
import sys
import tarfile

import pytest

from grid.runtime import container_files
from grid.runtime.container_files import InitProcess, list_foreign_folders, make_folder_archive, measure
from grid.runtime.processes import find_start_time


def test_files_in_folders_are_measured_and_links_are_not(tmp_path):
    (tmp_path / "large").write_bytes(bytes(10_000))
    folder = tmp_path / "output"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "one").write_bytes(bytes(100))
    (folder / "a" / "b" / "two").write_bytes(bytes(20))
    (folder / "link").symlink_to(tmp_path / "large")
    (folder / "a" / "out").symlink_to(tmp_path)
    os.mkfifo(folder / "fifo")
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 30)

    found = measure(folder)

    assert (found.size, found.entries, found.is_beyond) == (120 + (1 << 30), 8, False)


def test_more_files_or_deeper_folders_than_are_counted_are_beyond(tmp_path, monkeypatch):
    monkeypatch.setattr(container_files, "MOST_ENTRIES", 10)
    (tmp_path / "many").mkdir()
    for place in range(11):
        (tmp_path / "many" / str(place)).touch()
    (tmp_path / "deep" / "/".join("abcdefghijklmnop")).mkdir(parents=True)

    assert measure(tmp_path / "many").is_beyond
    assert measure(tmp_path / "deep").is_beyond
    assert not measure(tmp_path / "gone").is_beyond


def test_a_link_in_the_place_of_the_folder_measures_nothing(tmp_path):
    (tmp_path / "file").write_bytes(bytes(10))
    (tmp_path / "link").symlink_to(tmp_path)

    assert measure(tmp_path / "link").size == 0


def test_a_number_that_is_another_process_is_left_alone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        start_time = find_start_time(process.pid)
        assert start_time is not None
        assert InitProcess.find(process.pid, "ab" * 32) is None  # it is in no container of that name
        assert not InitProcess(process.pid, start_time, "ab" * 32).kill()
        assert InitProcess(process.pid, start_time, "ab" * 32).measure_unlinked(0) == 0
        assert process.poll() is None
        process.communicate(b"\n")


@pytest.mark.parametrize("pid", [0, 1])
def test_no_process_and_the_first_of_all_are_no_container(pid):
    assert InitProcess.find(pid, "") is None


def test_folders_of_others_are_listed_and_an_archive_makes_them_ours(tmp_path):
    (tmp_path / "ours").mkdir(mode=0o700)
    (tmp_path / "shut" / "in").mkdir(parents=True)
    (tmp_path / "shut").chmod(0o500)
    (tmp_path / "link").symlink_to("/etc")

    folders = list_foreign_folders(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(make_folder_archive(folders))) as archive:
        found = [(one.name, one.isdir(), one.mode, one.uid) for one in archive.getmembers()]

    assert found == [("shut", True, 0o700, os.geteuid())]
    (tmp_path / "shut").chmod(0o700)
