"""Cells that the border of a region cuts: layers in series and in parallel, volumes, regions that no cell has."""

import math

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import HeatProblem, prepare, solve
from grid.engine.space.regions import find_regions, material_cuts
from grid.engine.values.box_bounds import bound
from grid.engine.values.expression import Expression
from grid.engine.values.planes import find_surfaces, find_zeros

AXES = "xyz"


def region(where, conductivity, capacity=1.0):
    return {"where": {"expression": where}, "conductivity": conductivity, "volumetric_heat_capacity": capacity}


def held(low, high, axis="x"):
    return {
        f"{axis}_min": {"type": "temperature", "value": low},
        f"{axis}_max": {"type": "temperature", "value": high},
    }


def layers(edges, conductivities, axis):
    """Regions between planes across an axis, from 0 to 1."""
    inner = [0.0, *edges, 1.0]
    return [
        region(f"({axis} >= {low!r}) & ({axis} < {high!r})" if n else f"{axis} < {high!r}", k)
        for n, (low, high, k) in enumerate(zip(inner[:-1], [*inner[1:-1], 2.0], conductivities, strict=True))
    ]


def steady(materials, boundaries, cells, **changes):
    size = [1.0] * len(cells)
    case = {"steady": True, "domain": {"size": size}, "material": materials, "boundaries": boundaries}
    return HeatProblem.from_case(case | {"resolution": {"cells": list(cells)}} | changes)


def random_layers(rng, count):
    """Edges of layers, some of them far thinner than any cell, and their conductivities over six decades."""
    edges = np.sort(rng.random(count))
    edges = np.sort(np.concatenate([edges, edges[:2] + 10.0 ** rng.uniform(-6, -2, 2)]))
    edges = edges[(edges > 0.01) & (edges < 0.99)]
    return edges.tolist(), (10.0 ** rng.uniform(-3, 3, edges.size + 1)).tolist()


@pytest.mark.parametrize("seed", range(12))
def test_layers_across_the_heat_are_in_series(seed):
    """q = 100 / sum(d / k), wherever the layers begin and however thin they are, in one to three dimensions."""
    rng = np.random.default_rng(seed)
    edges, conductivities = random_layers(rng, 3)
    cells = [int(rng.integers(3, 30)), *[int(rng.integers(2, 4))] * (seed % 3)]
    thickness = np.diff([0.0, *edges, 1.0])

    solution = solve(steady(layers(edges, conductivities, "x"), held(100.0, 0.0), cells))

    right = 100.0 / float(np.sum(thickness / conductivities))
    assert solution.heat_rate("x_min") == pytest.approx(right, rel=1e-9)
    assert solution.heat_rate("x_max") == pytest.approx(-right, rel=1e-9)
    middle = dict.fromkeys(AXES[: len(cells)], 0.5)
    assert solution.heat_flux(middle, "+x") == pytest.approx(right, rel=1e-9)
    assert solution.is_accepted


@pytest.mark.parametrize("seed", range(8))
def test_layers_along_the_heat_are_in_parallel(seed):
    """q = 100 sum(d k)."""
    rng = np.random.default_rng(100 + seed)
    edges, conductivities = random_layers(rng, 3)
    cells = [3, int(rng.integers(3, 20)), *[2] * (seed % 2)]

    solution = solve(steady(layers(edges, conductivities, "y"), held(100.0, 0.0), cells))

    right = 100.0 * float(np.sum(np.diff([0.0, *edges, 1.0]) * conductivities))
    assert solution.heat_rate("x_min") == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "flux"), [(0.5, 0.505, 16.6806), (0.52, 0.53, 9.0992), (0.149, 0.151, 33.3556)]
)
@pytest.mark.parametrize("text", ["({0} >= {1}) & ({0} <= {2})", "abs({0} - {3}) <= {4}", "({0} - {3})**2 <= {4}**2"])
def test_a_layer_thinner_than_a_cell_is_found_however_it_is_written(low, high, flux, text):
    """100 K over 1 m with a layer of k = 1e-3: q = 100 / (1 - d + 1000 d)."""
    where = text.format("x", low, high, 0.5 * (low + high), 0.5 * (high - low))
    other = f"where({where}, 0.0, 1.0) > 0.5"
    materials = [region(other, 1.0), region(where, 1e-3)]

    assert solve(steady(materials, held(100.0, 0.0), [20])).heat_rate("x_min") == pytest.approx(flux, rel=1e-5)


def test_the_layer_between_steel_and_copper_is_seen():
    """45, 0.2 and 200 W/(m K) over 10.1, 0.1 and 9.8 mm: 100 K drive 129,292 W/m2, on cells of 0.4 mm."""
    materials = [
        region("x < 0.0101", 45.0),
        region("(x >= 0.0101) & (x < 0.0102)", 0.2),
        region("x >= 0.0102", 200.0),
    ]
    problem = steady(materials, held(100.0, 0.0), [50], domain={"size": [0.02]})

    right = 100.0 / (0.0101 / 45.0 + 0.0001 / 0.2 + 0.0098 / 200.0)
    assert right == pytest.approx(129_292, abs=0.5)
    assert solve(problem).heat_rate("x_min") == pytest.approx(right, rel=1e-9)


def test_conductivities_of_temperature_are_mixed_in_cut_cells():
    """Both materials k0 (1 + b T), 100 to 0 K: by Kirchhoff q = (100 + 50 b 100) / sum(d / k0)."""
    b, edges, k0 = 0.01, (0.33, 0.3507), (5.0, 0.05, 2.0)
    materials = layers(edges, [{"expression": f"{k}*(1 + {b}*T)"} for k in k0], "x")
    thickness = np.diff([0.0, *edges, 1.0])

    errors = []
    for cells in (20, 40, 80):
        q = solve(steady(materials, held(100.0, 0.0), [cells], guess=50.0)).heat_rate("x_min")
        errors.append(abs(q * float(np.sum(thickness / np.array(k0))) / (100.0 + 0.5 * b * 100.0**2) - 1.0))

    assert max(errors) < 0.01
    assert errors[-1] < 2e-3


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_heat_capacities_of_cut_cells_are_those_of_their_volumes(dimension):
    rng = np.random.default_rng(dimension)
    a, b = sorted(rng.random(2))
    inside = " & ".join(f"({axis} > {a}) & ({axis} < {b})" for axis in AXES[:dimension])
    materials = [region(inside, 1.0, 7.0), region(f"where({inside}, 0.0, 1.0) > 0.5", 1.0, 2.0)]
    problem = HeatProblem.from_case(
        {
            "domain": {"size": [1.0] * dimension},
            "material": materials,
            "initial": 0.0,
            "resolution": {"cells": [7, 5, 6][:dimension], "end_time": 1.0},
        }
    )

    assert prepare(problem).space.total_capacity == pytest.approx(2.0 + 5.0 * (b - a) ** dimension, rel=1e-12)


@pytest.mark.parametrize(
    ("inside", "dimension", "volume"),
    [
        ("(x - 0.5)**2 + (y - 0.47)**2 < 0.09", 2, 0.09 * math.pi),
        ("abs(x - y) < 1e-3", 2, 2e-3 - 1e-6),
        ("abs(sqrt((x - 0.5)**2 + (y - 0.5)**2) - 0.3) < 1e-4", 2, 4e-4 * 0.3 * math.pi),
        ("(x - 0.5)**2 + (y - 0.5)**2 + (z - 0.5)**2 < 0.16", 3, 4.0 / 3.0 * math.pi * 0.064),
        ("x + y + z < 1", 3, 1.0 / 6.0),
    ],
)
def test_volumes_within_curved_and_slanted_surfaces(inside, dimension, volume):
    materials = [region(inside, 1.0), region(f"where({inside}, 0.0, 1.0) > 0.5", 2.0)]
    problem = steady(materials, held(0.0, 1.0), [16] * dimension)

    found = material_cuts(problem).volume(find_regions(problem), 0) / 16**dimension

    assert found == pytest.approx(volume, rel=5e-3)


def test_a_border_on_faces_cuts_nothing():
    """The bytes of a problem whose regions meet at faces do not depend on this module."""
    materials = layers([0.3, 0.6], [1.0, 5.0, 2.0], "x")

    assert material_cuts(steady(materials, held(0.0, 1.0), [10])) is None
    assert material_cuts(steady(materials, held(0.0, 1.0), [20, 3])) is None
    assert material_cuts(steady(materials, held(0.0, 1.0), [25])) is not None


def test_a_region_without_any_cell_is_refused_by_name():
    materials = [region("x <= 2", 1.0), region("x > 2", 3.0)]

    with pytest.raises(FieldError) as caught:
        prepare(steady(materials, held(0.0, 1.0), [10]))
    assert caught.value.field == "material[1].where"


def test_regions_that_overlap_within_a_cell_are_refused():
    materials = [region("x < 0.52", 1.0), region("x > 0.51", 3.0)]

    with pytest.raises(FieldError, match="exactly one where"):
        prepare(steady(materials, held(0.0, 1.0), [10]))


def test_regions_with_a_gap_within_a_cell_are_refused():
    materials = [region("x < 0.51", 1.0), region("x > 0.52", 3.0)]

    with pytest.raises(FieldError, match="exactly one where"):
        prepare(steady(materials, held(0.0, 1.0), [10]))


@pytest.mark.parametrize(
    "text",
    [
        "sin(7*x) - cos(9*y)",
        "where((x < 0.3) | (y >= x*x), tan(x), 2**x)",
        "x**3 - abs(y - 0.5)/(x + 0.1) + x**-2",
        "maximum(x, y)*minimum(-x, cosh(y - 0.5)) + sqrt(x)*log(y + 1e-3) - erfc(x) + erf(y)",
        "exp(-((x - 0.41)**2 + (y - 0.53)**2)/0.02) + x**y",
    ],
)
def test_bounds_of_an_expression_hold_within_each_box(text):
    """Random boxes of all sizes, random points within them."""
    rng, expression = np.random.default_rng(7), Expression(text)
    low, width = rng.random((2, 300)), rng.random((2, 300)) ** 6
    least, largest = bound(expression.code, {"x": (low[0], low[0] + width[0]), "y": (low[1], low[1] + width[1])})
    for share in rng.random((100, 2, 300)):
        place = low + share * width
        value = expression.evaluate({"x": place[0], "y": place[1]})
        assert (value >= least - 1e-12 * np.abs(least)).all()
        assert (value <= largest + 1e-12 * np.abs(largest)).all()


@pytest.mark.parametrize(
    ("text", "zeros"),
    [
        ("x < 0.3", [0.3]),
        ("0.25 <= x", [0.25]),
        ("abs(x - 0.7) < 1e-9", [0.7 - 1e-9, 0.7 + 1e-9]),
        ("(x - 0.2)*(x - 0.2001) < 0", [0.2, 0.2001]),
        ("sin(20*x) > 0", [0.0, *(math.pi * n / 20 for n in range(1, 7))]),
        ("exp(3*x) > 2", [math.log(2) / 3]),
    ],
)
def test_all_zeros_of_a_comparison_are_found(text, zeros):
    code = Expression(text).code
    found = sorted(z for surface in find_surfaces(code) for z in find_zeros(surface.code, "x", 0.0, 1.0))

    assert found == pytest.approx(zeros, abs=1e-12)
