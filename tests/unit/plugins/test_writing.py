"""Text files: numbers come back as they were, and no spreadsheet runs a cell."""

import csv
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.plugins.builtin.writing import write_csv, write_json


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x")'])
def test_text_that_a_spreadsheet_would_run_is_disarmed(cell, tmp_path):
    write_csv(tmp_path / "table.csv", ["name"], [[cell]])
    with (tmp_path / "table.csv").open(newline="") as stream:
        (_, (read,)) = list(csv.reader(stream))

    assert read == "'" + cell


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(), min_size=1, max_size=5))
def test_numbers_negative_ones_too_read_back_to_the_same_value(numbers, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    write_csv(path, ["n"] * len(numbers), [numbers])
    row = path.read_text().splitlines()[1].split(",")

    assert [type(number)(cell) for number, cell in zip(numbers, row, strict=True)] == numbers


@given(
    cells=st.lists(
        st.text(st.characters(codec="utf-8")).filter(lambda t: not t.startswith(tuple("=+-@\t\r"))), min_size=2
    )
)
def test_any_text_reads_back(cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    write_csv(path, cells, [])
    with path.open(newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [cells]


def test_json_is_readable_and_never_holds_what_is_not_a_number(tmp_path):
    write_json(tmp_path / "a.json", {"unit": "m²/s", "value": 1.5})

    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"unit": "m²/s", "value": 1.5}
    assert "m²/s" in (tmp_path / "a.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"value": math.nan})
