"""The sample program, run as users run it and called as a module; and `heat-rod`, which must give the same numbers."""

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.engine.rods.rods import solve_rods
from grid.plugins.builtin.rod import HeatRod
from grid.plugins.builtin.rod_files import HEADER
from grid.plugins.builtin.rod_params import RodParams, count_sub_steps

PROGRAM = Path(__file__).parents[3] / "sim" / "run_sim.py"


def load_program():
    """Import the program from its file, as it stands outside the package."""
    specification = importlib.util.spec_from_file_location("run_sim", PROGRAM)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


run_sim = load_program()
DEFAULTS = {name: entry[1] for name, entry in run_sim.PARAMETERS.items()}


def run(folder, *flags):
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), "--output_dir", str(folder), *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def program_field(params):
    """Return the whole field that the program computes."""
    parts = []
    run_sim.solve(params, lambda _first, rows: parts.append(rows.copy()))
    return np.concatenate(parts)


def engine_field(params):
    """Return the whole field that the engine computes."""
    parts = []
    solve_rods(
        *([params[name]] for name in ("length", "diffusivity", "initial_temp", "boundary_temp", "end_time")),
        time_steps=params["time_steps"],
        spatial_steps=params["spatial_steps"],
        on_rows=lambda _column, _first, rows: parts.append(rows.copy()),
    )
    return np.concatenate(parts)


def test_the_promised_command_writes_the_four_files(tmp_path):
    done = run(tmp_path, "--length", "1.0", "--time_steps", "100", "--diffusivity", "0.01")

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(HeatRod.files)
    field = np.load(tmp_path / "temperature_field.npy", allow_pickle=False)
    assert (field.shape, field.dtype) == ((101, 101), np.float64)
    assert (tmp_path / "simulation_results.png").read_bytes().startswith(b"\x89PNG\r\n")
    meta = json.loads((tmp_path / "meta.json").read_text())
    assert meta["numerics"]["sub_steps"] == 2  # 0.01 * 0.01 s / (0.01 m)^2 = 1, twice the limit
    assert meta["numerics"]["mesh_fourier"] <= 0.5
    assert meta["parameters"] == DEFAULTS


def test_the_time_series_is_that_of_the_field(tmp_path):
    assert (
        run(tmp_path, "--no_plot", "--time_steps", "20", "--boundary_temp", "-7", "--spatial_steps", "30").returncode
        == 0
    )
    field = np.load(tmp_path / "temperature_field.npy")
    with (tmp_path / "result.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    table = np.array(rows, dtype=float).T

    assert header == list(HEADER) == run_sim.CSV_HEADER.split(",")
    assert table[0] == pytest.approx(np.linspace(0, 1, 21))
    assert table[1] == pytest.approx(np.trapezoid(field, dx=1 / 29, axis=1))
    assert np.array_equal(table[2], field.max(axis=1))
    assert np.array_equal(table[3], field.min(axis=1))
    assert table[4] == pytest.approx(field[:, 14:16].mean(axis=1))


def test_no_plot_never_imports_matplotlib(tmp_path):
    code = f"""
import sys
sys.argv = ["run_sim.py", "--no_plot", "--output_dir", {str(tmp_path)!r}]
import runpy
try:
    runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
except SystemExit as end:
    assert not end.code
assert "matplotlib" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0
    assert not (tmp_path / "simulation_results.png").exists()


def test_stdout_is_log_lines_and_progress_that_rises_to_one(tmp_path):
    done = run(tmp_path, "--no_plot", "--spatial_steps", "20001", "--time_steps", "8", "--diffusivity", "1e-6")
    fractions = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("::progress ")]

    assert done.returncode == 0
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(line.startswith(("::progress ", "run_sim: ")) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--length", "-1"], "length must be a number from 1e-06 to 1e+06 m."),
        (["--length", "nan"], "length must be"),
        (["--diffusivity", "inf"], "diffusivity must be"),
        (["--diffusivity", "1" + "0" * 10_000], "diffusivity must be a number from 1e-12 to 1000 m2/s."),
        (["--spatial_steps", "1"], "spatial_steps must be a whole number from 3 to 1e+06."),
        (["--spatial_steps", "1000000000"], "spatial_steps must be"),
        (["--time_steps", "1.5"], "time_steps must be a whole number"),
        (["--time_steps", "many"], "time_steps must be"),
        (["--initial_temp", "-273.16"], "initial_temp must be"),
        (["--end_time", ""], "end_time must be"),
        (["--end_time"], "expected one argument"),
        (["--lenght", "1"], "unrecognized arguments"),
        (["--time_steps", "1000000", "--spatial_steps", "1000000"], "GB"),
        (["--diffusivity", "1e3", "--end_time", "1e12"], "cell steps"),
        (["--params", "/no/such/file.json"], "params: the file cannot be read"),
    ],
)
def test_a_bad_value_is_one_sentence_naming_field_and_limit(flags, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        run_sim.main(["--output_dir", str(tmp_path / "out"), *flags])
    said = capsys.readouterr()

    assert end.value.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "1", "{", '{"length": "1"}', '{"length": true}', '{"length": NaN}', '{"length": null}', '{"size": 1}',
        '{"length": 1, "length": 2}', '{"time_steps": 1.5}', "[" * 50_000, '{"length": ' + "1" * 10_000 + "}",
        "\ufeff{}", " " * 70_000 + "{}", '{"output_dir": "/tmp"}',
    ],
    ids=range(16),
)  # fmt: skip
def test_a_bad_parameter_file_is_one_sentence(text, tmp_path, capsys):
    file = tmp_path / "params.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        run_sim.main(["--params", str(file), "--output_dir", str(tmp_path / "out")])

    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_parameters_come_from_the_file_and_flags_win(tmp_path):
    file = tmp_path / "params.json"
    file.write_text('{"length": 2, "time_steps": 7.0, "initial_temp": 50}', encoding="utf-8")
    params, folder, is_plotted = run_sim.parse_arguments(
        ["--params", str(file), "--initial_temp", "-1e1", "--no_plot", "--output_dir", "x"]
    )

    assert params == {**DEFAULTS, "length": 2.0, "time_steps": 7, "initial_temp": -10.0}
    assert type(params["time_steps"]) is int
    assert (folder, is_plotted) == (Path("x"), False)


def test_outputs_that_cannot_be_written_are_a_sentence_and_status_one(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")

    assert run_sim.main(["--output_dir", str(tmp_path / "file" / "out")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_program_and_simulation_have_the_same_parameters_limits_and_defaults():
    fields = RodParams.model_json_schema()["properties"]

    assert list(fields) == list(run_sim.PARAMETERS)
    for name, (kind, default, low, high, unit, _) in run_sim.PARAMETERS.items():
        field = fields[name]
        assert field["type"] == {float: "number", int: "integer"}[kind]
        assert (field["default"], field["minimum"], field["maximum"], field["unit"]) == (default, low, high, unit)


SPREAD = [
    {},
    {"diffusivity": 5.0, "time_steps": 10},  # 1,000 sub-steps and more
    {"time_steps": 1, "diffusivity": 0.2, "spatial_steps": 51},
    {"initial_temp": 1e6, "boundary_temp": 1e6 - 1e-3},  # a small span on a high temperature
    {"initial_temp": -273.15, "boundary_temp": 900.0, "length": 0.02, "diffusivity": 1.2e-4, "end_time": 30.0},
    {"spatial_steps": 3, "end_time": 40.0},
    {"spatial_steps": 4, "time_steps": 1000},
    {"diffusivity": 1e-12, "length": 1e6, "end_time": 1e12},
    {"spatial_steps": 5001, "time_steps": 3, "diffusivity": 1e-7},
]


@pytest.mark.parametrize("change", SPREAD, ids=str)
def test_heat_rod_and_the_program_agree_to_a_billionth_of_the_span(change):
    params = {**DEFAULTS, **change}
    span = abs(params["initial_temp"] - params["boundary_temp"])

    assert np.abs(engine_field(params) - program_field(params)).max() <= 1e-9 * span


def test_the_spread_holds_a_run_of_a_thousand_sub_steps():
    assert max(run_sim.find_sub_steps({**DEFAULTS, **change})[0] for change in SPREAD) >= 1000


@settings(max_examples=60)
@given(
    params=st.fixed_dictionaries(
        {
            "length": st.floats(1e-3, 1e3),
            "time_steps": st.integers(1, 20),
            "spatial_steps": st.integers(3, 40),
            "diffusivity": st.floats(1e-8, 1e-3),
            "initial_temp": st.floats(-273.15, 1e6),
            "boundary_temp": st.floats(-273.15, 1e6),
            "end_time": st.floats(1e-3, 10.0),
        }
    )
)
def test_they_agree_wherever_they_are_asked(params):
    if run_sim.find_sub_steps(params)[0] > 2000:
        params["end_time"] = 1e-9
    assert count_sub_steps(RodParams(**params)) == run_sim.find_sub_steps(params)[0]
    ours, theirs = engine_field(params), program_field(params)

    assert np.abs(ours - theirs).max() <= 1e-9 * abs(params["initial_temp"] - params["boundary_temp"])


def test_the_files_of_both_agree(tmp_path):
    """Not the pixels, but names, header, shapes, keys and numbers."""
    flags = {"time_steps": 30, "spatial_steps": 41, "diffusivity": 0.3, "boundary_temp": 15.0}
    params = RodParams(**flags)
    (tmp_path / "program").mkdir()
    (tmp_path / "simulation").mkdir()
    assert run_sim.main(["--output_dir", str(tmp_path / "program"), *(f"--{k}={v}" for k, v in flags.items())]) == 0
    simulation = HeatRod()
    record = simulation.solve([params], lambda _fraction: frozenset()).records[0]
    simulation.render(simulation.files, params, record, tmp_path / "simulation")

    def read(name, reader):
        return [reader(tmp_path / maker / name) for maker in ("program", "simulation")]

    fields = read("temperature_field.npy", np.load)
    tables = read("result.csv", lambda path: np.loadtxt(path, delimiter=",", skiprows=1))
    metas = read("meta.json", lambda path: json.loads(path.read_text()))
    assert np.abs(fields[0] - fields[1]).max() <= 1e-9 * 85
    assert tables[0] == pytest.approx(tables[1], abs=1e-9 * 85)
    for key in ("parameters", "units", "numerics", "equation", "start"):
        assert metas[0][key] == metas[1][key]
    assert metas[0]["results"] == pytest.approx(metas[1]["results"], abs=1e-9 * 85)
