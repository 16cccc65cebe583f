"""The numerics version changes with every source that it names, and with nothing else."""

from pathlib import Path

import pytest

from grid.plugins import numerics
from grid.plugins.numerics import numerics_version


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with two engines."""
    for name, text in {"engine/a.py": "a", "engine/inner/b.py": "b", "engine/notes.md": "n", "other/c.py": "c"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(numerics.resources, "files", lambda _package: Path(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("engine/a.py", "a2", True),
        ("engine/inner/b.py", "b2", True),
        ("engine/new.py", "", True),
        ("engine/notes.md", "n2", False),
        ("other/c.py", "c2", False),
        ("engine/__pycache__/a.py", "x", False),
    ],
)
def test_it_changes_with_the_sources_that_it_names(package, name, text, changes):
    before = numerics_version(["engine"])
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text(text)

    assert (numerics_version(["engine"]) != before) is changes


def test_moving_text_between_files_changes_it(package):
    before = numerics_version(["engine/a.py", "other/c.py"])
    (package / "engine/a.py").write_text("")
    (package / "other/c.py").write_text("ac")

    assert numerics_version(["engine/a.py", "other/c.py"]) != before


def test_it_changes_with_the_libraries(package):
    assert numerics_version(["engine"], ["numpy"]) != numerics_version(["engine"], ["numpy", "numba"])


def test_a_source_that_is_not_there_is_an_error_and_not_an_empty_hash(package):
    with pytest.raises(OSError, match="nowhere"):
        numerics_version(["nowhere"])
