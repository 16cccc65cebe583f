"""Files of a solution: each reads back to what was solved, and none is left half written."""

import csv
import errno
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grid.core.errors import FieldError, StorageFullError
from grid.engine import Domain, solve
from grid.engine.results import writing
from grid.engine.results.atomic_write import replacing
from grid.engine.results.vtk import HIDDEN_CELL, write_image

NOTCH = {"size": [1.0, 2.0], "origin": [1.0, -1.0], "active": {"expression": "(x < 1.5) | (y < 0)"}}
FORMATS = (".nc", ".zarr", ".vti", ".pvd", ".npy", ".csv", ".png")


@pytest.fixture(scope="module")
def solution(make_problem):
    """A notched plate at three times, with a start that differs in every cell."""
    problem = make_problem(2, domain=NOTCH, initial={"expression": "3*x + y*y"}, temperature_unit="degC")
    return solve(problem, times=[0.05, 0.1])


def read_vti(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Attributes and cell arrays of an ImageData file with raw appended data."""
    content = path.read_bytes()
    start = content.index(b'<AppendedData encoding="raw">')
    data = content[content.index(b"_", start) + 1 :]
    root = ET.fromstring(content[:start] + b"</VTKFile>")  # noqa: S314 - our own file
    image = root.find("ImageData")
    arrays = {}
    for entry in image.iter("DataArray"):
        if entry.get("format") == "appended":
            offset = int(entry.get("offset"))
            (size,) = struct.unpack_from("=Q", data, offset)
            kind = {"Float64": "=f8", "UInt8": "u1"}[entry.get("type")]
            arrays[entry.get("Name")] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, offset + 8)
    return {**image.attrib, "time": image.findtext(".//DataArray[@Name='TimeValue']")}, arrays


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_labelled_files_read_back_the_same(solution, tmp_path, suffix):
    path = solution.write(tmp_path / f"plate{suffix}")
    options = {"engine": "zarr", "consolidated": False} if suffix == ".zarr" else {}
    with xr.open_dataset(path, **options) as stored:
        back = stored.load()

    xr.testing.assert_equal(back, solution.to_xarray())
    assert back.temperature.attrs["units"] == "degree_Celsius"
    assert back.attrs["metric_steps"] == solution.metrics["steps"]
    assert back.attrs["audit_finite"] == "passed"


def test_an_image_holds_the_last_field_on_its_box_and_hides_what_is_not_the_body(solution, tmp_path):
    about, arrays = read_vti(solution.write(tmp_path / "plate.vti"))

    assert about["WholeExtent"] == "0 8 0 8 0 0"
    assert [float(number) for number in about["Origin"].split()] == [1.0, -1.0, 0.0]
    assert [float(number) for number in about["Spacing"].split()] == [0.125, 0.25, 1.0]
    assert float(about["time"]) == 0.1
    np.testing.assert_array_equal(arrays["temperature"].reshape(8, 8).T, solution.body_fields[-1])
    np.testing.assert_array_equal(arrays["vtkGhostType"].reshape(8, 8).T == HIDDEN_CELL, ~solution.body)


def test_x_runs_fastest_in_an_image_of_three_dimensions(tmp_path):
    field = np.arange(24.0).reshape(2, 3, 4)
    write_image(tmp_path / "box.vti", Domain((1.0, 1.0, 1.0), (2, 3, 4)), {"a & b": field, "other": -field})
    about, arrays = read_vti(tmp_path / "box.vti")

    assert about["WholeExtent"] == "0 2 0 3 0 4"
    assert arrays["a & b"][1] == field[1, 0, 0]
    np.testing.assert_array_equal(arrays["other"].reshape(4, 3, 2).transpose(2, 1, 0), -field)


def test_a_series_lists_an_image_for_each_time(solution, tmp_path):
    path = solution.write(tmp_path / "plate.pvd")
    entries = ET.parse(path).getroot().findall(".//DataSet")  # noqa: S314 - our own file

    assert [float(entry.get("timestep")) for entry in entries] == [0.0, 0.05, 0.1]
    for entry, field in zip(entries, solution.body_fields, strict=True):
        _, arrays = read_vti(tmp_path / entry.get("file"))
        np.testing.assert_array_equal(arrays["temperature"].reshape(8, 8).T, field)


def test_arrays_and_tables_read_back_to_the_last_bit(solution, tmp_path):
    fields = np.load(solution.write(tmp_path / "plate.npy"))
    np.testing.assert_array_equal(fields, solution.body_fields)

    with solution.write(tmp_path / "plate.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["time_s", "x_m", "y_m", "temperature_degC"]
    assert len(rows) == 3 * int(solution.body.sum())
    for row in rows[:: len(rows) // 7]:
        found = solution.to_xarray().temperature.sel(
            time=float(row["time_s"]), x=float(row["x_m"]), y=float(row["y_m"])
        )
        assert float(row["temperature_degC"]) == float(found)


def test_a_picture_is_a_png(solution, tmp_path):
    content = solution.write(tmp_path / "plate.png").read_bytes()

    assert content.startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_is_replaced_and_nothing_else_stays_in_its_folder(solution, tmp_path, suffix):
    first = solution.write(tmp_path / f"plate{suffix}")
    solution.write(first)

    beside = {"plate"} if suffix == ".pvd" else set()
    assert {entry.name for entry in tmp_path.iterdir()} == {first.name} | beside


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_folder_of_somebody_else_is_not_replaced(solution, tmp_path, suffix):
    name = "plate" if suffix == ".pvd" else f"plate{suffix}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious.txt").write_text("mine")

    with pytest.raises(FieldError, match="path"):
        solution.write(tmp_path / f"plate{suffix}")
    assert (tmp_path / name / "precious.txt").read_text() == "mine"


def test_a_disk_that_fills_leaves_the_old_file(tmp_path):
    path = tmp_path / "old.npy"
    path.write_bytes(b"old")

    def fill():
        with replacing(path) as place:
            place.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFullError):
        fill()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.npy"]


@pytest.mark.parametrize("name", ["plate.xlsx", "plate", "nowhere/plate.npy", "nowhere/plate.vti"])
def test_a_place_that_cannot_be_written_is_refused_by_name(solution, tmp_path, name):
    with pytest.raises(FieldError) as caught:
        solution.write(tmp_path / name)

    assert caught.value.field == "path"
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_a_table_holds_are_refused_with_the_limit(solution, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MAX_CSV_ROWS", 100)

    with pytest.raises(FieldError, match="at most 100"):
        solution.write(tmp_path / "plate.csv")


def test_an_image_of_another_shape_is_refused(tmp_path):
    with pytest.raises(FieldError, match="fields"):
        write_image(tmp_path / "box.vti", Domain((1.0,), (4,)), {"a": np.zeros(5)})
