"""`grid compile` fills the cache of kernels, and `grid doctor` says where it is, what it holds and what it lacks."""

import json

import pytest
from typer.testing import CliRunner

from grid.cli.doctor import _kernels
from grid.cli.main import app
from grid.core.settings import Settings
from grid.engine import kernel_folder, warmup


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A cache of its own, for two groups of which one fails."""
    compiled = []

    def compile_one():
        compiled.append(1)
        (kernel_folder.open_folder() / f"one{kernel_folder.SUFFIX}").write_bytes(b"1234")

    def fail():
        raise ValueError("no such kernel")

    monkeypatch.setenv("GRID_KERNEL_CACHE", str(tmp_path / "kernels"))
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    monkeypatch.setattr(warmup, "list_groups", lambda: (warmup.Group("common", compile_one), warmup.Group("odd", fail)))
    yield tmp_path / "kernels"
    assert len(compiled) <= 1


def examine(home, **settings):
    return next(_kernels(Settings(_env_file=None, grid_home=home, **settings)))


def test_doctor_tells_what_is_compiled_and_compile_does_the_rest_once(root, tmp_path):
    before = examine(tmp_path)
    first = CliRunner().invoke(app, ["compile", "--json"])
    after = examine(tmp_path)
    second = CliRunner().invoke(app, ["compile"])

    folder = str(kernel_folder.find_folder())
    assert before.verdict == "note"
    assert before.sentence == f"{folder}: 0 compiled, 0 MB; 0 of 2 groups; not compiled yet: common; odd."
    assert json.loads(first.stdout) == {
        "folder": folder, "compiled": ["common", "odd"], "failed": ["odd"], "kernels": 1, "bytes": 4
    }  # fmt: skip
    assert after.sentence == f"{folder}: 1 compiled, 0 MB; 2 of 2 groups; could not be compiled: odd."
    assert second.stdout.replace("\n", "").startswith(f"1 kernels, 0 MB in {folder}"[:60])


def test_doctor_tells_of_a_cache_that_is_off_or_that_others_can_write(root, tmp_path, monkeypatch):
    monkeypatch.setenv("GRID_KERNEL_CACHE", "off")
    assert "is switched off" in examine(tmp_path).sentence
    monkeypatch.delenv("GRID_KERNEL_CACHE")
    root.mkdir(mode=0o700)
    folder = root / kernel_folder.folder_name()
    folder.mkdir()
    folder.chmod(0o777)
    found = examine(tmp_path, grid_kernel_cache=str(root))
    assert "yours alone to write" in found.sentence
    assert found.verdict == "note"
