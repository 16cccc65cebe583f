"""Tables say of what they are: their checks, their values, their files, and what they cannot be of."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.errors import FieldError, GridError
from grid.engine import (
    Convection,
    Domain,
    Flux,
    HeatProblem,
    Material,
    Radiation,
    Table,
    Temperature,
    solve,
    solve_batch,
)
from grid.engine.lumped.reader import read_body
from grid.engine.run.checkpoint import compute_plan_hash
from grid.engine.run.planning import prepare

LINE = Domain((0.1,), (50,))


WALL = {
    "steady": True,
    "domain": {"size": [0.1]},
    "boundaries": {"x_min": {"type": "temperature", "value": 20.0}},
    "resolution": {"cells": [5]},
}


def conduct(conductivity, **changes):
    """A wall of 0.1 m between 520 and 20 degC."""
    settings = {"steady": True, "temperature_unit": "degC", **changes}
    return HeatProblem(
        LINE,
        (Material(conductivity=conductivity, volumetric_heat_capacity=1e6),),
        boundaries={"x_min": Temperature(520.0), "x_max": Temperature(20.0)},
        **settings,
    )


def wall_case(**table):
    return {
        "dimension": 1,
        "steady": True,
        "temperature_unit": "degC",
        "domain": {"size": [0.1]},
        "material": {"conductivity": {"table": [[20, 50.0], [520, 25.0]], **table}},
        "boundaries": {
            "x_min": {"type": "temperature", "value": 520.0},
            "x_max": {"type": "temperature", "value": 20.0},
        },
        "resolution": {"cells": [50]},
    }


def test_a_conductivity_given_as_points_of_temperature_conducts_its_integral():
    """The flux is the integral of k over temperature by the thickness: 500 K of a mean of 37.5 W/(m K) over 0.1 m."""
    solution = solve(HeatProblem.from_case(wall_case(of="T")))

    assert solution.heat_flux({"x": 0.05}, "+x") == pytest.approx(187_500.0, rel=1e-6)


def test_a_table_of_time_in_a_steady_case_is_refused_and_told_what_works():
    with pytest.raises(FieldError, match='"of": "T"') as caught:
        HeatProblem.from_case(wall_case())

    assert caught.value.field == "material.conductivity"
    assert "table is one of t" in str(caught.value)


FIELDS = {  # every value of a problem, and the arguments that a table of it may have, steady ones without t
    "conductivity": "txT", "density": "xT", "specific_heat": "xT", "initial": "x", "guess": "x", "source_term": "txT",
    "flux": "txT", "temperature": "tx", "coefficient": "txT", "ambient": "tx", "emissivity": "txT",
    "surroundings": "tx", "stefan_boltzmann": "tx",
}  # fmt: skip


def case_with(name, value, *, steady):
    material = {"conductivity": 1.0, "density": 1.0, "specific_heat": 1.0}
    law = {"type": "convection_radiation", "coefficient": 1.0, "ambient": 300.0, "emissivity": 0.5}
    law |= {"surroundings": 300.0}
    case = {"dimension": 1, "steady": steady, "temperature_unit": "K", "domain": {"size": [1.0]}, "initial": 300.0}
    if name in material:
        material[name] = value
    elif name in ("flux", "temperature"):
        law = {"type": name, "value": value}
    elif name in ("initial", "guess", "source_term"):
        case[name] = value
    else:
        law[name] = value
    faces = {"x_min": law, "x_max": {"type": "temperature", "value": 300.0}}
    return {**case, "material": material, "boundaries": faces, "resolution": {"cells": [4], "end_time": 1.0}}


@pytest.mark.parametrize("steady", [False, True])
@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("of", "txyzT")
def test_each_field_takes_tables_of_what_has_a_meaning_there_and_refuses_others_by_name(name, of, steady):
    case = case_with(name, {"table": [[0, 0.5], [1000, 0.9]], "of": of}, steady=steady)
    if of in FIELDS[name] and not (steady and of == "t"):
        assert np.all(np.isfinite(solve(HeatProblem.from_case(case)).final))
        return
    with pytest.raises(FieldError) as caught:
        HeatProblem.from_case(case)

    assert name in caught.value.field or caught.value.field.endswith(".value")
    assert f"table is one of {of}" in str(caught.value)
    assert '"of": ' in str(caught.value)


@pytest.mark.parametrize("name", [name for name, of in FIELDS.items() if "t" in of])
def test_an_expression_in_time_is_refused_in_a_steady_case(name):
    with pytest.raises(FieldError, match="only the variables"):
        HeatProblem.from_case(case_with(name, {"expression": "0.5 + 0*t"}, steady=True))


def test_a_lumped_body_at_rest_has_no_time_either():
    lumped = {"area": 1.0, "coefficient": 1.0, "ambient": {"table": [[0, 1.0], [1, 2.0]]}}
    with pytest.raises(GridError, match=r"lumped\.ambient: a number; a steady case has no time"):
        read_body({"steady": True, "lumped": lumped})
    lumped |= {"ambient": 1.0, "coefficient": {"table": [[0, 1.0], [1, 2.0]]}}
    with pytest.raises(FieldError, match='"of": "T"'):
        read_body({"steady": True, "lumped": lumped})
    lumped["coefficient"]["of"] = "T"
    assert read_body({"steady": True, "lumped": lumped})[0].steady() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"table": []}, "list of 1 to"),
        ({"table": [[1, 1], [0, 2]], "of": "T"}, "T that increase"),
        ({"table": [[1, 1], [1, 2]], "of": "T"}, "T that increase"),
        ({"table": [[float("nan"), 1]], "of": "T"}, "finite"),
        ({"table": [[0, float("nan")]], "of": "T"}, "finite"),
        ({"table": [[0, -1.0]], "of": "T"}, "every value"),
        ({"table": [[0, 1.0]], "of": "temperature"}, "one of t, x, y, z, T"),
        ({"table": [[0, 1.0]], "of": 5}, "one of t, x, y, z, T"),
        ({"table": [[0, 1.0]], "off": "T"}, "unknown field"),
        ({"table": [[0, 1.0]] * 100_001, "of": "T"}, "100000"),
    ],
)
def test_a_table_that_is_no_function_is_refused(table, word):
    case = wall_case()
    case["material"]["conductivity"] = table
    with pytest.raises(GridError, match=word):
        HeatProblem.from_case(case)


@pytest.mark.parametrize("of", [5, "temperature", None, ["T"]])
def test_a_table_made_in_python_passes_the_same_checks(of):
    with pytest.raises(FieldError, match=r"conductivity\.of: one of"):
        conduct(Table([0.0], [1.0], of=of))
    for points, values in (([1.0, 0.0], [1.0, 2.0]), ([np.nan], [1.0]), ([0.0, 0.0], [1.0, 1.0]), ([0.0], [1.0, 2.0])):
        with pytest.raises(FieldError, match=r"conductivity\.table"):
            conduct(Table(points, values, of="T"))


@pytest.mark.parametrize("number", [3, np.float32(3.0), np.int64(3)])
def test_numbers_of_any_type_are_read_as_those_of_python(number):
    points = [[float(at), 1.0 + at] for at in range(50)]
    points[3] = [3.0, 1 + number]
    table = {"table": points, "of": "T"}

    (read,) = HeatProblem.from_case(WALL | {"material": {"conductivity": table}}).materials[0].conductivity

    assert read == Table(tuple(map(float, range(50))), tuple(1.0 + at for at in range(50)), of="T")
    assert {type(part) for part in (*read.times, *read.values)} == {float}


@pytest.mark.parametrize("wrong", [True, "3", None, [3.0], float("nan"), float("inf"), 10**400])
@pytest.mark.parametrize("side", [0, 1])
def test_one_entry_that_is_no_finite_number_is_seen_among_thousands(wrong, side):
    points = [[float(at), 1.0] for at in range(5000)]
    points[2500][side] = wrong
    with pytest.raises(FieldError, match="pairs of finite numbers"):
        HeatProblem.from_case(WALL | {"material": {"conductivity": {"table": points, "of": "T"}}})


def test_one_point_is_a_constant_and_a_million_are_read_at_once():
    assert solve(conduct(Table([300.0], [5.0], of="T"))).heat_flux({"x": 0.05}, "+x") == pytest.approx(25_000.0)
    many = np.linspace(0.0, 1000.0, 1_000_000)
    flux = solve(conduct(Table(many, 51.0 - 0.05 * many, of="T"))).heat_flux({"x": 0.05}, "+x")
    assert flux == pytest.approx(187_500.0, rel=1e-6)
    with pytest.raises(FieldError, match="1000000"):
        conduct(Table(np.arange(1_000_001.0), np.ones(1_000_001), of="T"))


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8, unique=True).map(sorted),
    st.data(),
    st.sampled_from(["linear", "previous"]),
)
def test_arrays_are_evaluated_as_their_elements_and_ends_are_held(points, data, interpolation):
    values = data.draw(st.lists(st.floats(-10, 10), min_size=len(points), max_size=len(points)))
    table = Table(points, values, interpolation, "T")
    at = np.array([*points, points[0] - 1.0, points[-1] + 1.0, 0.3, np.nan]).reshape(-1, 1)

    found = table.evaluate({"T": at})

    alone = [table.evaluate({"T": np.float64(number)}) for number in at[:-1, 0]]
    assert found.shape == at.shape
    assert found[:-1, 0].tobytes() == np.array(alone).tobytes()
    assert found[: len(points), 0] == pytest.approx(values, rel=1e-9, abs=1e-9)
    assert (found[-4, 0], found[-3, 0]) == (values[0], values[-1])
    assert np.isnan(found[-1, 0])


def test_a_table_is_a_value_like_any_other():
    table = Table([0.0, 1.0], [2.0, 3.0], of="T")
    table.evaluate({"T": np.zeros(3)})

    copied = pickle.loads(pickle.dumps(table))  # noqa: S301 - its own bytes
    assert copied == table != Table([0.0, 1.0], [2.0, 3.0])
    assert hash(table) == hash(Table((0.0, 1.0), (2.0, 3.0), "linear", "T"))
    assert "of='T'" in repr(table)
    assert (table.variables, table.breakpoints, table.points) == (frozenset({"T"}), (), (0.0, 1.0))
    assert Table([0.0, 1.0], [2.0, 3.0]).breakpoints == (0.0, 1.0)
    assert Table([0.0], [1.0]).variables == frozenset("t")


def test_a_run_has_another_name_where_its_table_is_of_something_else():
    hashes = {
        compute_plan_hash(prepare(conduct(Table([0.0, 9.0], [1.0, 2.0], of=of), steady=False, initial=0.0, end_time=9)))
        for of in ("t", "x", "T")
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("T,k\n20,50\n520,25\n", ()),
        ("20,50\n520,25\n", ()),
        ("# steel\nk;unit;T\n50;x;20\n\n25;x;520\n", ("T", "k")),
        ("\ufeffT\tk\n20\t50\n520\t25", ("T", "k")),
        ("T , k\r\n20 , 50\r\n5.2e2,25\r\n", ("T", "k")),
    ],
)
def test_columns_of_a_file_become_a_table(tmp_path, text, names):
    path = tmp_path / "steel.csv"
    path.write_bytes(text.encode())

    assert Table.from_csv(path, *names, of="T") == Table((20.0, 520.0), (50.0, 25.0), of="T")
    shifted = Table.from_csv(path, *names, of="T", argument_offset=273.15, value_scale=1e3, interpolation="previous")
    assert shifted == Table((293.15, 793.15), (5e4, 2.5e4), "previous", "T")


@pytest.mark.parametrize(
    ("text", "names", "word"),
    [
        ("", (), "at least one row"),
        ("T,k\n", (), "rows of numbers"),
        ("T,k\n20,50\n1e999,3\n", (), "line 3"),
        ("T,k\n20\n", (), "line 2"),
        ("T;k\n20,5;50\n", (), "line 2"),
        ("T,k\n20,50\n", ("T", "c"), "value: the name of a column"),
        ("T,k\n20,50\n", ("t", "k"), "argument: the name of a column"),
        ("T,k\n20,50\n", ("T",), "both columns"),
        ("\udcff", (), "UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_line(tmp_path, text, names, word):
    path = tmp_path / "steel.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FieldError, match=word):
        Table.from_csv(path, *names, of="T")


def test_no_file_no_table(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path, 5, "a\0b"):
        with pytest.raises(FieldError, match="path"):
            Table.from_csv(path, of="T")


TOLERANCE = 1e-4
RAMP = [[20.0, 0.5], [60.0, 0.9], [100.0, 0.6]]  # each law below as points and as the expression that they draw
DRAWN = "where(T < 60, 0.5 + 0.01*(minimum(maximum(T, 20), 100) - 20), 0.9 - 0.0075*(minimum(T, 100) - 60))"


@pytest.mark.usefixtures("without_coverage")
@pytest.mark.parametrize("method", ["implicit", "adi", "rkl2", "explicit", "exponential", "krylov", "spectral"])
@pytest.mark.parametrize(
    "law", ["conductivity", "density", "specific_heat", "flux", "coefficient", "emissivity", "source_term"]
)
def test_points_and_the_expression_that_they_draw_give_one_answer_by_each_method(method, law):
    def run(value):
        case = case_with(law, value, steady=False)
        case["temperature_unit"], case["initial"] = "degC", 30.0
        case["boundaries"]["x_max"]["value"] = 90.0
        return solve(HeatProblem.from_case(case), method=method, tolerance=TOLERANCE).final

    try:
        expected = run({"expression": DRAWN})
    except GridError as error:
        with pytest.raises(type(error)):
            run({"table": RAMP, "of": "T"})
        return
    # Where points run in compiled loops and expressions do not, their stages are solved to a share of the tolerance.
    share = 0.1 * TOLERANCE * float(np.ptp(expected)) if method == "implicit" else 0.0
    assert run({"table": RAMP, "of": "T"}) == pytest.approx(expected, rel=1e-9, abs=share)


def test_a_column_of_a_batch_has_the_bytes_of_its_run_alone_beside_a_table_of_temperature():
    k, h = Table([0.0, 500.0], [50.0, 25.0], of="T"), Table([0.0, 100.0], [5.0, 50.0], "previous", "T")
    problem = HeatProblem(
        LINE, (Material(conductivity=k, volumetric_heat_capacity=1e6),), 0.0,
        {"x_min": Convection(h, 20.0)}, source_term=1e5, end_time=10.0,
    )  # fmt: skip
    starts = np.array([0.0, 90.0, 400.0])

    batch = solve_batch(problem, {"initial": starts, "boundaries.x_min.ambient": starts})

    for column in range(3):
        alone = solve(batch.column_problem(column))
        assert batch.fields[column, -1].tobytes() == alone.final.tobytes()


@pytest.mark.parametrize("seed", range(6))
def test_random_points_of_temperature_conduct_their_integral(seed):
    """Steady through a wall: the flux times the thickness is the integral of k over temperature (Kirchhoff)."""
    rng = np.random.default_rng(seed)
    points = np.sort(rng.uniform(-100.0, 700.0, 6))
    values = rng.uniform(5.0, 15.0, 6)
    fine = np.linspace(20.0, 520.0, 100_001)
    drawn = np.interp(fine, points, values)
    expected = float(np.sum(0.5 * (drawn[1:] + drawn[:-1]) * np.diff(fine))) / 0.1

    solution = solve(conduct(Table(points, values, of="T")))

    assert solution.heat_flux({"x": 0.05}, "+x") == pytest.approx(expected, rel=2e-3)
    assert solution.heat_rate("x_min") == pytest.approx(-solution.heat_rate("x_max"), rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "name"), [("flux", "value"), ("convection", "coefficient"), ("radiation", "emissivity")]
)
def test_a_law_given_as_points_of_the_surface_temperature_balances_the_wall_behind_it(kind, name):
    """One root of k (T_s - 500)/0.1 = q(T_s), found by bisection, for each law with its value read off the points."""
    points, values = [250.0, 400.0, 600.0], [0.9, 0.3, 0.5]

    def law(surface):
        value = np.interp(surface, points, values)
        if kind == "flux":
            return -1e4 * value
        return value * (1e3 * (300.0 - surface) if kind == "convection" else 5.670374419e-8 * (300.0**4 - surface**4))

    scale = {"flux": -1e4, "convection": 1e3, "radiation": 1.0}[kind]
    fields = {name: Table(points, [scale * value for value in values], of="T")}
    fields |= {"convection": {"ambient": 300.0}, "radiation": {"surroundings": 300.0}}.get(kind, {})
    low, high = 250.0, 500.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if 10.0 * (middle - 500.0) / 0.1 > law(middle) else (middle, high)
    laws = {"flux": Flux, "convection": Convection, "radiation": Radiation}
    problem = HeatProblem(
        LINE, (Material(conductivity=10.0),), steady=True, temperature_unit="K", guess=400.0,
        boundaries={"x_min": Temperature(500.0), "x_max": laws[kind](**fields)},
    )  # fmt: skip

    assert solve(problem).temperature_at((0.1,)) == pytest.approx(low, rel=1e-8)
