"""The address of a data folder's server: found by the folder, unless a setting names another."""

import os

import pytest

from grid.client.client import find_address
from grid.client.folder import read_address, write_address
from grid.core.settings import Settings
from grid.runtime.home import open_home, write_pid_file

ADDRESS = "http://127.0.0.1:8541"


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("GRID_PORT", "GRID_HOST"):
        monkeypatch.delenv(name, raising=False)
    return open_home(tmp_path / ".grid")


def settings(home, **more):
    return Settings(_env_file=None, grid_home=home.root, **more)


def test_a_running_server_is_found_by_its_folder(home):
    write_address(home.root, ADDRESS)
    write_pid_file(home, "server", os.getpid())

    assert find_address(settings(home)) == ADDRESS


def test_a_setting_outranks_the_folder(home, monkeypatch):
    write_address(home.root, ADDRESS)
    write_pid_file(home, "server", os.getpid())

    assert find_address(settings(home, grid_port=9000)) == "http://127.0.0.1:9000"
    monkeypatch.setenv("GRID_PORT", "9001")
    assert find_address(settings(home)) == "http://127.0.0.1:9001"


def test_what_a_dead_server_left_is_not_believed(home):
    write_address(home.root, ADDRESS)

    assert read_address(home.root) is None
    assert find_address(settings(home)) == "http://127.0.0.1:8000"


@pytest.mark.parametrize("text", ["", "http://evil.example:1/path", "https://x:1", "file:///etc", "http://a b:1", "\0"])
def test_what_is_no_address_is_not_believed(home, text):
    write_pid_file(home, "server", os.getpid())
    (home.root / "run" / "address").write_text(text)

    assert read_address(home.root) is None


def test_the_first_address_of_a_new_folder_leaves_it_private_as_the_server_wants_it(tmp_path):
    write_address(tmp_path / "new" / ".grid", ADDRESS)

    assert (tmp_path / "new" / ".grid").stat().st_mode & 0o077 == 0
    assert open_home(tmp_path / "new" / ".grid").root == tmp_path / "new" / ".grid"
