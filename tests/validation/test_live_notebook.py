"""The page on live runs in a notebook runs as it stands, and what it says is true."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "live-notebook.md"
CELLS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def notebook():
    """The names that all cells leave behind, run in one namespace."""
    names: dict[str, object] = {}
    for number, cell in enumerate(CELLS):
        exec(compile(cell, f"cell {number + 1}", "exec"), names)  # noqa: S102 - our own document
    return names


def test_the_run_leaves_the_lumped_model_at_the_burst_and_stores_its_heat(notebook):
    session = notebook["session"]
    (switch,) = session.state.model.switches
    assert (switch.tick, switch.model) == (30, "diffusive")
    assert 0.8 * 1.2e4 < session.summary.stored_heat < 1.2e4
    assert session.summary.balance_residual < 1e-12


def test_the_alert_fires_after_its_hold_and_the_replay_has_the_same_bytes(notebook):
    session = notebook["session"]
    (alert,) = session.state.alerts
    assert alert.is_firing
    assert alert.first_value is not None
    assert alert.first_value > 60.0
    assert notebook["again"].hash() == session.hash()
    assert notebook["again"].state.alerts == session.state.alerts
    assert notebook["branch"].tick == session.tick + 10
