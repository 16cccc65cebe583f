"""Compiled kernels lie in a folder that is the user's own, wherever homes are missing or read only."""

import os
import stat
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from grid.utils import user_cache
from grid.utils.user_cache import find_kernel_root, find_user_cache, is_trusted


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home, and nothing set."""
    for name in ("GRID_KERNEL_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def forbid_writing(monkeypatch, *folders: Path) -> None:
    """Let these and all below them be read only, for root as well."""
    may = os.access

    def access(path, mode, **options):
        closed = mode & os.W_OK and any(Path(path).is_relative_to(folder) for folder in folders)
        return not closed and may(path, mode, **options)

    monkeypatch.setattr(os, "access", access)


def test_the_users_cache_holds_it_and_nothing_is_made_by_asking(home, tmp_path, monkeypatch):
    assert find_kernel_root() == home / ".cache" / "grid" / "kernels"
    assert list(home.iterdir()) == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert find_kernel_root() == tmp_path / "xdg" / "grid" / "kernels"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert find_kernel_root() == tmp_path / "numba" / "grid"


def test_what_is_asked_for_is_taken_or_nothing(home, tmp_path, monkeypatch):
    monkeypatch.setenv("GRID_KERNEL_CACHE", str(tmp_path / "asked"))
    assert find_kernel_root() == tmp_path / "asked"
    assert find_kernel_root("off") is None
    assert find_kernel_root(str(tmp_path / "told")) == tmp_path / "told"
    (tmp_path / "file").touch()
    assert find_kernel_root(str(tmp_path / "file" / "below")) is None
    forbid_writing(monkeypatch, tmp_path / "asked")
    (tmp_path / "asked").mkdir(mode=0o700)
    assert find_kernel_root() is None
    assert find_kernel_root(has_kernels=lambda root: root.name == "asked") == tmp_path / "asked"


def test_without_a_home_or_with_one_that_is_read_only_there_is_another_place(home, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    forbid_writing(monkeypatch, home)
    assert find_kernel_root() == tmp_path / "tmp" / f"grid-kernels-{os.geteuid()}"
    assert find_kernel_root(instead=tmp_path / "data") == tmp_path / "data"

    def no_home():
        raise RuntimeError("could not determine home directory")

    monkeypatch.setattr(user_cache.Path, "home", no_home)
    assert find_user_cache() is None
    assert find_kernel_root(instead=tmp_path / "data") == tmp_path / "data"


def test_a_folder_that_others_can_write_or_own_is_not_taken(home, tmp_path):
    root = home / ".cache" / "grid" / "kernels"
    root.mkdir(parents=True)
    root.chmod(0o777)
    assert find_kernel_root(instead=tmp_path / "data") == tmp_path / "data"
    mine = os.geteuid()
    assert is_trusted(SimpleNamespace(st_uid=mine, st_mode=stat.S_IFDIR | 0o755))
    assert is_trusted(SimpleNamespace(st_uid=0, st_mode=stat.S_IFDIR | 0o755))
    assert not is_trusted(SimpleNamespace(st_uid=mine + 1, st_mode=stat.S_IFDIR | 0o755))
    assert not is_trusted(SimpleNamespace(st_uid=mine, st_mode=stat.S_IFDIR | 0o775))


def test_who_became_root_by_sudo_leaves_the_users_home_alone(home, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    assert find_kernel_root(instead=tmp_path / "data") == tmp_path / "data"
