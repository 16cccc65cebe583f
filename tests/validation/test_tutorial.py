"""The tutorial runs as it stands, in under forty lines, and its claims about the part are true."""

import re
from pathlib import Path

import numpy as np
import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
CELLS = re.findall(r"^```python\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The names that all cells leave behind, run in one namespace in a folder of their own."""
    names: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        for number, cell in enumerate(CELLS):
            exec(compile(cell, f"tutorial cell {number + 1}", "exec"), names)  # noqa: S102 - our own document
        names["written"] = Path("bracket.vti").read_bytes()
    return names


def test_the_user_writes_fewer_than_forty_lines():
    assert len([line for cell in CELLS for line in cell.splitlines() if line.strip()]) < 40


def test_every_run_is_accepted_and_written(notebook):
    assert notebook["solution"].is_accepted
    assert notebook["heat"].is_accepted
    assert b"ImageData" in notebook["written"]


def test_the_study_finds_second_order(notebook):
    assert notebook["found"].observed_order == pytest.approx(2.0, abs=0.2)


def test_the_part_is_worst_where_it_is_heated(notebook):
    stress, heat = notebook["stress"], notebook["heat"]
    factor = np.where(heat.body, stress.safety_factor, np.inf)
    worst = np.unravel_index(int(np.argmin(factor)), factor.shape)

    assert 0.5 < stress.minimum_safety_factor < 5.0
    assert worst[2] >= 12  # in the upper third
    assert heat.extrema().maximum_at["z"] == pytest.approx(0.09)


def test_the_pictures_of_the_page_exist():
    for name in re.findall(r"\]\((images/[^)]+)\)", TUTORIAL.read_text(encoding="utf-8")):
        assert (TUTORIAL.parent / name).read_bytes().startswith(b"\x89PNG")
