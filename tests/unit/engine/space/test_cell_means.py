"""Loads narrower than a cell, and loads whose border cuts cells, put in their whole heat."""

import math

import numpy as np
import pytest
from scipy import special

from grid.core.errors import FieldError
from grid.engine import HeatProblem, solve
from grid.engine.problem.domain import Domain
from grid.engine.problem.face_switches import is_even_in_cells
from grid.engine.space.cell_means import CellMeans, find_pattern
from grid.engine.space.fields import _load_means
from grid.engine.space.load_shapes import CellShapes
from grid.engine.values.expression import Expression

AXES = "xyz"


def build(source=0.0, dimension=2, cells=20, boundaries=None, **changes):
    case = {
        "domain": {"size": [1.0] * dimension},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 0.0,
        "source_term": {"expression": source} if isinstance(source, str) else source,
        "boundaries": boundaries or {},
        "resolution": {"cells": [cells] * dimension, "end_time": 1.0},
    }
    return HeatProblem.from_case(case | changes)


def stored(problem, **options):
    solution = solve(problem, **options)
    assert solution.is_accepted
    return solution.metrics["stored_heat_change"]


def inside(centre, width):
    """Share of a Gaussian that lies within 0 ... 1."""
    ends = [(end - centre) / (math.sqrt(2.0) * width) for end in (0.0, 1.0)]
    return 0.5 * (special.erf(ends[1]) - special.erf(ends[0]))


def spot(centre, width, heat=10.0):
    """A Gaussian source with its heat, and what of it lies in the box."""
    square = " + ".join(f"({axis} - {at})**2" for axis, at in zip(AXES, centre, strict=False))
    strength = heat / (math.sqrt(2.0 * math.pi) * width) ** len(centre)
    return f"{strength!r}*exp(-({square})/(2*{width}**2))", heat * math.prod(inside(at, width) for at in centre)


@pytest.mark.parametrize("width", [0.1, 0.05, 0.02, 0.0125, 5e-3, 5e-4, 5e-5])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_gaussian_puts_in_its_heat_whatever_its_width(dimension, width):
    """2 to 1e-3 cells of 0.05: exact by error functions."""
    source, heat = spot((0.41, 0.53, 0.3)[:dimension], width)

    limit = 1e-3 if width >= 0.1 else 2e-5  # wide ones are told by the centres, to second order
    assert stored(build(source, dimension)) == pytest.approx(heat, rel=limit)


@pytest.mark.parametrize("seed", range(16))
def test_random_peaks_put_in_their_heat(seed):
    """Several peaks of random place, width and heat, some on faces and corners of cells, some beyond the border."""
    rng = np.random.default_rng(seed)
    dimension = int(rng.integers(1, 4))
    cells = int(rng.integers(3, (60, 24, 9)[dimension - 1]))
    texts, total = [], 0.0
    for _ in range(int(rng.integers(1, 4))):
        centre = np.round(rng.uniform(-0.02, 1.02, dimension), int(rng.integers(1, 5)))
        text, heat = spot(
            [float(at) for at in centre], float(10.0 ** rng.uniform(-4.5, -0.7)), float(rng.uniform(1, 9))
        )
        texts.append(text)
        total += heat
    assert stored(build(" + ".join(texts), dimension, cells)) == pytest.approx(total, rel=8e-3)


@pytest.mark.parametrize("seed", range(8))
def test_random_boxes_put_in_their_heat(seed):
    rng = np.random.default_rng(seed)
    dimension = int(rng.integers(1, 4))
    low = rng.uniform(0.0, 0.9, dimension)
    high = np.minimum(low + 10.0 ** rng.uniform(-4, -0.3, dimension), 1.0)
    pairs = zip(AXES, low.tolist(), high.tolist(), strict=False)
    where = " & ".join(f"({axis} > {a!r}) & ({axis} < {b!r})" for axis, a, b in pairs)

    heat = 7.0 * float(np.prod(high - low))
    assert stored(build(f"where({where}, 7.0, 0.0)", dimension, 8)) == pytest.approx(heat, rel=1e-9)


@pytest.mark.parametrize(
    ("source", "dimension", "heat"),
    [
        ("where((x - 0.5)**2 + (y - 0.47)**2 < 0.02, 3.0, 0.0)", 2, 0.06 * math.pi),
        ("where((x - 0.5)**2 + (y - 0.5)**2 + (z - 0.5)**2 < 0.02, 3.0, 0.0)", 3, 4.0 * math.pi * 0.02**1.5),
        ("where(x + y < 0.77, 2.0, 0.0)", 2, 0.77**2),
        ("1/(1 + ((x - 0.3)/1e-3)**2)", 1, 1e-3 * (math.atan(700) + math.atan(300))),
        ("sin(400*pi*x)**2", 1, 0.5),
        ("where(where(x > 0.33, 1, 0) > 0.5, 3.0, 0.0)", 1, 3.0 * 0.67),
        ("where(maximum(where(x > 0.33, 2, 0), y) > 1.5, 3.0, 0.0)", 2, 3.0 * 0.67),
    ],
)
def test_other_rough_sources(source, dimension, heat):
    assert stored(build(source, dimension)) == pytest.approx(heat, rel=2e-3)


@pytest.mark.parametrize("width", [0.02, 1e-3])
def test_a_moving_spot_puts_in_its_heat(width):
    source, _ = spot((0.2, 0.53), width)
    source = source.replace("(x - 0.2)", "(x - 0.2 - 0.5*t)")

    assert stored(build(source, cells=12), tolerance=0.01) == pytest.approx(10.0, rel=1e-4)


def test_a_source_that_falls_as_it_warms_puts_in_its_heat():
    """q = g(x) - T with all of g within a cell: the heat tends to its integral as 1 - exp(-t)."""
    source, heat = spot((0.41,), 1e-3)

    assert stored(build(f"{source} - T", 1), tolerance=1e-6) == pytest.approx(heat * (1 - math.exp(-1)), rel=1e-4)


@pytest.mark.parametrize("width", [0.1, 0.02, 1e-3, 1e-5])
@pytest.mark.parametrize("moves", [False, True])
def test_a_flux_narrower_than_a_face_puts_in_its_heat(width, moves):
    path = "x - 0.37 - 0.1*t" if moves else "x - 0.37"
    law = {"type": "flux", "value": {"expression": f"3*exp(-(({path})/{width})**2)"}}

    heat = 3.0 * width * math.sqrt(math.pi)
    assert stored(build(boundaries={"y_max": law}, cells=12), tolerance=0.01) == pytest.approx(heat, rel=1e-3)


def test_a_patch_of_flux_whose_border_cuts_faces():
    law = {"type": "flux", "value": {"expression": "where((x > 0.2) & (x < 0.323) & (z < 0.51), 3.0, 0.0)"}}

    assert stored(build(boundaries={"y_min": law}, dimension=3, cells=7)) == pytest.approx(3 * 0.123 * 0.51, rel=1e-9)


def test_points_are_those_of_the_time_though_another_thread_asks_for_another():
    class Disturbed(CellMeans):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "_last" and value is not None:
                super().__setattr__(name, (2.0, None))

    moving = Expression("where(x > 0.33 + 0.01*t, 1, 0)").code
    rule = Disturbed("source_term", moving, CellShapes(Domain((1.0,), (20,))), is_needed=True).find_rule(1.0)

    assert rule is not None
    assert rule.cells.tolist() == [6]


def test_a_source_too_rough_for_its_cells_is_refused_by_name():
    """Waves far shorter than a cell in three directions, whose heat no affordable number of points tells."""
    source = "where(sin(9e3*x + 7e3*y)*sin(8e3*y - 9.5e3*x) > 0.3, 1.0, 0.0)"

    with pytest.raises(FieldError) as caught:
        solve(build(source))
    assert caught.value.field == "source_term"


@pytest.mark.parametrize("source", ["1 + x*y", "10*sin(pi*x)", "exp(-((x - 0.5)**2 + (y - 0.5)**2)/0.08)", "5.0"])
def test_smooth_sources_keep_their_values_at_the_centres(source):
    """And so the bytes that they had: nothing is integrated where the centres tell the heat."""
    problem = build(source)
    solve(problem)

    assert problem.once(_load_means)["source_term"] is None


def test_the_error_of_a_narrow_source_falls_with_the_square_of_the_cell_far_from_it():
    """-T'' = a narrow Gaussian between held ends: the exact field beside it is that of a point, a straight line."""
    source, heat = spot((0.41,), 1e-3, 1.0)
    ends = {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}}
    for cells in (10, 20, 40):
        case = {"steady": True, "boundaries": ends, "resolution": {"cells": [cells]}, "material": {"conductivity": 1.0}}
        solution = solve(build(source, 1, **case))
        assert solution.heat_rate("x_max") == pytest.approx(-0.41 * heat, abs=0.5 / cells)
        assert solution.heat_rate("x_min") + solution.heat_rate("x_max") == pytest.approx(-heat, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("sin(t)*where(x > 0.3, 1.0, 0.0)", "where(x > 0.3, 1.0, 0.0)"),
        ("-where(t < 2, 1.0, 0.0)*(3*x)/exp(y)*T", "(3*x)/exp(y)"),
        ("t/x", "1/x"),
        ("exp(-(x - t)**2)", None),
        ("x*y", "x*y"),
    ],
)
def test_the_factor_that_depends_on_place_is_found(text, pattern):
    found = find_pattern(Expression(text).code)

    assert found == (None if pattern is None else Expression(pattern).code)


@pytest.mark.parametrize("end", [1.0, 7.0])
def test_a_narrow_source_that_pulses_puts_in_its_heat(end):
    """Its points are chosen once, whatever the factor of time does."""
    source, heat = spot((0.41, 0.53), 1e-3)
    problem = build(f"sin(t)**2*({source})", cells=8, resolution={"cells": [8, 8], "end_time": end})

    assert stored(problem, steps=200, method="implicit") == pytest.approx(
        heat * (0.5 * end - 0.25 * math.sin(2 * end)), rel=1e-3
    )


@pytest.mark.parametrize("text", ["sin(7*x)*cos(3*y) + x*y**2", "exp(-x*x - y)", "1/(1 + x + 3*y)"])
def test_bounds_of_bends_cover_what_the_centres_are_off_by(text):
    """By means over fine points: no source is called smooth whose centres are off by more."""
    means = CellMeans("source_term", Expression(text).code, CellShapes(build().domain))
    fine = np.linspace(0.0, 1.0, 20 * 16 + 1)
    at = (0.5 * (fine[1:] + fine[:-1])) * np.array(build().domain.size)[:, None]
    values = Expression(text).evaluate({"x": at[0][:, None], "y": at[1][None, :]})
    whole = np.asarray(values).reshape(20, 16, 20, 16).mean(axis=(1, 3)).reshape(-1)
    away = np.abs(whole - means._centres(0.0)).sum() / np.abs(whole).sum()

    assert means._is_smooth(0.0)
    assert away <= 0.03


@pytest.mark.parametrize(
    "text", ["where(x < 0.512, 1, 0)", "exp(-((x - 0.5)**2 + y*y)/1e-4)", "abs(x - 0.512)*1e3 + 0*y"]
)
def test_corners_and_peaks_are_not_called_smooth(text):
    assert not CellMeans("source_term", Expression(text).code, CellShapes(build().domain))._is_smooth(0.0)


ON_FACES = Domain((1.0, 2.0), (10, 8), origin=(-0.5, 0.0))  # cells of 0.1 and 0.25


@pytest.mark.parametrize(
    ("text", "is_even"),
    [
        ("3.0", True),
        ("sin(t)", True),
        ("where((x > -0.2) & (x < 0.1) & (y < 0.75), where(t < 20, 5, 7*t), 0) + where(y >= 1.25, exp(-t), 0)", True),
        ("where(abs(x) < 0.2, 1, 0)*t + where((x - 0.1)**2 < 0.04, 2, 1)", True),
        ("where(where(x > 0.1, 0, 1) > 0.5, 1, 2)", True),
        ("where(x > 0.10000005, 1, 0)", True),  # rounded as text
        ("where((x > 0.1) & (x < 0.10000005), 1e7, 0)", False),  # a thin layer beside a face
        ("where(2*y - 0.5 > t*0 + 1, 1, 2)", False),  # not seen to be a plane
        ("where(x > 0.15, 1, 0)", False),
        ("where(y < 0.3, 1, 0)", False),
        ("where(x > 0.1*t, 1, 0)", False),
        ("where(x + y > 0.5, 1, 0)", False),
        ("where(x > 0.1, y, 0)", False),
        ("where(x == 0.1, 1, 0)", False),
        ("where(T > 5, 1, 0)", False),
        ("where(sin(100*x) > 0, 1, 0)", False),
        ("where(where(x > 0.1, y, 1) > 0.6, 1, 0)", False),
        ("where(where(x > 0.15, 0, 1) > 0.5, 1, 2)", False),  # switches where the condition within does
        ("where(minimum(where(y < 0.3, 1, 0), 2) < 0.5, 1, 0)", False),
        ("where(where(x == 0.1, 1, 0) > 0.5, 1, 2)", False),
        ("where(where(T > 5, 1, 0) > 0.5, 1, 2)", False),
    ],
)
def test_sources_that_switch_on_faces_alone_are_told_by_their_text(text, is_even):
    assert is_even_in_cells(Expression(text).code, ON_FACES) is is_even


@pytest.mark.parametrize("seed", range(40))
def test_what_is_said_to_be_even_in_cells_has_one_value_in_each(seed):
    random = np.random.default_rng(seed)

    def condition():
        name, spacing = ("x", 0.1) if random.random() < 0.5 else ("y", 0.25)
        place = round(spacing * float(random.integers(-2, 6)), 9)
        place += 0.03 * float(random.integers(0, 2)) * float(random.random() < 0.2)
        side = random.choice(["<", "<=", ">", ">="])
        if random.random() < 0.3:
            return f"(abs({name} - {place:g}) {side} {2 * spacing:g})"
        if random.random() < 0.2:
            return f"(where({name} {side} {place:g}, 1, 0) > where(t < 3, 0.5, 0.6))"
        return f"({name} {side} {place:g})"

    terms = []
    for _ in range(4):
        both = f" {random.choice(['&', '|'])} ".join(condition() for _ in range(random.integers(1, 4)))
        value = random.choice(["2", "t", "where(t < 3, 1, 5)", "sin(t)", "x", "where(y < 1, t, 2)"])
        terms.append(f"where({both}, {value}, {random.random():.3f})")
    source = Expression(" + ".join(terms))
    if not is_even_in_cells(source.code, ON_FACES):
        return
    index = np.stack(np.meshgrid(np.arange(10), np.arange(8), indexing="ij"))
    for time in (0.5, 4.0):
        found = [
            source.evaluate({
                "x": -0.5 + 0.1 * (index[0] + random.uniform(1e-3, 0.999, index[0].shape)),
                "y": 0.25 * (index[1] + random.uniform(1e-3, 0.999, index[0].shape)),
                "t": np.float64(time),
            })
            for _ in range(3)
        ]  # fmt: skip
        assert np.ptp(np.broadcast_to(found, (3, 10, 8)), axis=0).max() == 0.0
