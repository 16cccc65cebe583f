"""Parts of a steady body that nothing ties to a temperature, their pins, and bounds that the data allow."""

import numpy as np
import pytest
from scipy import ndimage

from grid.core.errors import FieldError, InvalidFieldsError
from grid.engine import HeatProblem, Pin, SingularError, solve

AXES = "xyz"
GAP = {"expression": "(x < 0.4) | (x > 0.6)"}
ROUND = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}


def held(value):
    return {"type": "temperature", "value": value}


def flux(value):
    return {"type": "flux", "value": value}


def steady(dimension=1, cells=15, **changes):
    case = {
        "steady": True,
        "domain": {"size": [1.0] * dimension},
        "material": {"conductivity": 1.0},
        "boundaries": {"x_min": held(1.0)},
        "resolution": {"cells": [cells] * dimension},
    }
    return HeatProblem.from_case(case | changes)


def parted(dimension, cells=15, **changes):
    """A body whose part beyond x = 0.6 touches nothing."""
    return steady(dimension, cells, domain={"size": [1.0] * dimension, "active": GAP}, **changes)


SIZES = [(1, 15), (2, 15), (3, 15), (2, 120), (3, 20)]  # tridiagonal, LU, conjugate gradients or multigrid


@pytest.mark.parametrize(("dimension", "cells"), SIZES)
def test_a_part_that_takes_up_heat_and_touches_nothing_has_no_steady_state(dimension, cells):
    with pytest.raises(SingularError, match=r"at x = 0\.6 to 1.*nowhere to go") as caught:
        solve(parted(dimension, cells, source_term=1.0))
    assert f"{2 * cells // 5 * cells ** (dimension - 1)} cells" in str(caught.value)
    assert "takes up 0.4 W" in str(caught.value)


@pytest.mark.parametrize(("dimension", "cells"), SIZES)
def test_the_level_of_a_part_without_heat_is_free_and_a_pin_fixes_it(dimension, cells):
    """The remedy that the refusal names works: the part is at its pin, the other one at its face."""
    with pytest.raises(SingularError, match=r"level .* is free.*`pin`"):
        solve(parted(dimension, cells))
    at = dict.fromkeys(AXES[:dimension], 0.8)
    solution = solve(parted(dimension, cells, pin={"at": at, "temperature": 20.0}))

    x = solution.coordinates["x"]
    assert solution.is_accepted
    assert np.allclose(solution.final[x < 0.4], 1.0, rtol=0, atol=1e-12)
    assert np.allclose(solution.final[x > 0.6], 20.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dimension", "cells"), SIZES[:4])
@pytest.mark.parametrize("conductivity", [2.0, {"expression": "2*(1 + 0.01*T)"}])
def test_a_pinned_point_has_its_temperature(dimension, cells, conductivity):
    """A flux through a bar: q over both ends; T by Kirchhoff's transformation from the pinned point."""
    bounds = {"x_min": flux(3.0), "x_max": flux(-3.0)}
    at = dict.fromkeys(AXES[:dimension], 0.33)
    problem = steady(
        dimension, cells, boundaries=bounds, material={"conductivity": conductivity}, guess=5.0,
        pin={"at": at, "temperature": 5.0},
    )  # fmt: skip
    solution = solve(problem)

    b = 0.0 if conductivity == 2.0 else 0.01
    theta = 5.0 + 0.5 * b * 25.0 - 3.0 / 2.0 * (solution.coordinates["x"] - 0.33)
    right = theta if b == 0.0 else (np.sqrt(1.0 + 2.0 * b * theta) - 1.0) / b
    found = solution.final.reshape(cells, -1)
    assert solution.temperature_at(at) == pytest.approx(5.0, abs=1e-10)
    assert np.allclose(found, right[:, None], rtol=0, atol=1e-9 if b == 0.0 else 1e-4)
    assert solution.is_accepted


def test_a_pinned_mean_is_that_of_the_part():
    problem = parted(2, source_term={"expression": "where(x > 0.6, x - 0.8, 0.0)"}, pin={"mean_temperature": -7.0})
    solution = solve(problem)

    part = solution.final[solution.coordinates["x"] > 0.6]
    assert part.mean() == pytest.approx(-7.0, abs=1e-12)
    assert np.ptp(part) > 1e-3


@pytest.mark.parametrize("cells", [10, 64])
def test_a_ring_is_pinned(cells):
    """k T'' = -sin(2 pi x) on a ring: T = sin(2 pi x) / (4 pi^2 k) and a level."""
    source = {"expression": "sin(2*pi*x)"}
    solution = solve(steady(1, cells, boundaries=ROUND, source_term=source, pin={"mean_temperature": 4.0}))

    right = 4.0 + np.sin(2 * np.pi * solution.coordinates["x"]) / (4 * np.pi**2)
    assert np.abs(solution.final - right).max() < 4.0 / cells**2 / 12.0


def test_heat_that_does_not_balance_is_refused_with_what_is_left():
    problem = steady(boundaries={"x_min": flux(3.0), "x_max": flux(-2.5)}, pin={"mean_temperature": 1.0})

    with pytest.raises(SingularError, match=r"takes up 0\.5 W/m2"):
        solve(problem)


@pytest.mark.parametrize(
    ("pin", "field"),
    [
        ({"at": {"x": 0.2}, "temperature": 1.0}, "pin.at"),  # held by x_min
        ([{"at": {"x": 0.8}, "temperature": 1.0}, {"at": {"x": 0.9}, "temperature": 1.0}], "pin[1].at"),
    ],
)
def test_a_pin_where_the_level_is_not_free_is_refused(pin, field):
    with pytest.raises(FieldError) as caught:
        solve(parted(1, pin=pin))
    assert caught.value.field == field


def test_a_pin_of_a_body_that_is_held_is_refused():
    with pytest.raises(FieldError, match="free"):
        solve(steady(pin={"mean_temperature": 1.0}))


@pytest.mark.parametrize(
    "pin",
    [
        {"temperature": 1.0},
        {"at": {"x": 0.5}},
        {"at": {"x": 0.5}, "temperature": 1.0, "mean_temperature": 2.0},
        {"at": {"x": 1.5}, "temperature": 1.0},
        {"at": {"y": 0.5}, "temperature": 1.0},
        {"at": {"x": 0.5, "y": 0.5}, "temperature": 1.0},
        {"at": {"x": 0.5}, "temperature": 1e13},
        [],
        7,
    ],
)
def test_a_pin_that_is_no_pin_is_refused_by_its_field(pin):
    with pytest.raises((FieldError, InvalidFieldsError), match="pin"):
        steady(pin=pin)


def test_a_pin_in_a_transient_is_refused():
    changes = {"steady": False, "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0}, "initial": 0.0}
    with pytest.raises(FieldError, match="steady"):
        steady(pin={"mean_temperature": 1.0}, resolution={"cells": [15], "end_time": 1.0}, **changes)


def test_pins_from_python():
    problem = parted(1, pin={"at": {"x": 0.8}, "temperature": 20.0})

    assert problem.pins == (Pin(temperature=20.0, at=(0.8,)),)


def contact(conductance, **changes):
    return steady(1, 16, contacts=[{"axis": "x", "position": 0.5, "conductance": conductance}], **changes)


@pytest.mark.parametrize("conductance", [1e-10, 1e-11, 1e-12])
def test_a_contact_of_nearly_nothing_in_the_way_of_heat_is_refused(conductance):
    """The half beyond it would be at 0.5 / conductance."""
    with pytest.raises(SingularError, match=r"8 cells at x = 0\.5 to 1 m.*nearly nothing"):
        solve(contact(conductance, source_term=1.0))


def test_it_is_refused_as_well_where_the_conductivity_depends_on_temperature():
    with pytest.raises(SingularError, match=r"8 cells at x = 0\.5 to 1 m.*nearly nothing"):
        solve(contact(1e-12, source_term=1.0, guess=1.0, material={"conductivity": {"expression": "1 + 0.001*T"}}))


@pytest.mark.parametrize("dimension", [1, 2])
def test_a_body_behind_a_film_of_nearly_nothing_is_refused(dimension):
    film = {"type": "convection", "coefficient": 1e-11, "ambient": 20.0}
    with pytest.raises(SingularError, match=r"the body is joined .* nearly nothing"):
        solve(steady(dimension, 12, boundaries={"x_min": film}, source_term=1.0))


def test_a_hot_part_that_is_well_tied_is_no_matter_of_its_ties():
    """Dimensionless numbers may be as large as they like: 1e12 x (1 - x / 2) beside a gap."""
    solution = solve(parted(1, 15, source_term=1e12, boundaries={"x_min": held(0.0), "x_max": held(0.0)}))

    assert solution.final.max() > 1e10
    assert solution.is_accepted


@pytest.mark.parametrize("conductance", [1e-12, 1e-9, 1e-6, 1e-3])
def test_a_contact_of_nearly_nothing_that_little_or_no_heat_goes_through_is_solved(conductance):
    assert solve(contact(conductance)).final == pytest.approx(np.ones(16), abs=1e-12)
    source = 100.0 * conductance  # warms the half beyond by 50 K
    jump = solve(contact(conductance, source_term=source)).final
    assert jump[8:].mean() - jump[:8].mean() == pytest.approx(50.0, rel=1e-3)


def test_a_film_far_weaker_than_the_body_is_solved():
    """Copper of 10 um behind 1e-3 W/(m2 K): 50 K above the ambient, 1e-12 of what the cells conduct."""
    film = {"type": "convection", "coefficient": 1e-3, "ambient": 20.0}
    problem = steady(
        1,
        100,
        domain={"size": [1e-5]},
        material={"conductivity": 400.0},
        source_term=5000.0,
        boundaries={"x_min": film},
    )

    assert solve(problem).final == pytest.approx(np.full(100, 70.0), rel=1e-9)


def test_films_of_zero_tie_nothing():
    nothing = {"type": "convection", "coefficient": {"expression": "where(y < 2, 0.0, 5.0)"}, "ambient": 3.0}
    with pytest.raises(SingularError, match="the body exchanges heat with nothing"):
        solve(steady(2, 6, boundaries={"x_min": nothing}))


@pytest.mark.parametrize("source", [0.0, 1.0])
def test_parts_of_a_body_whose_conductivity_depends_on_temperature(source):
    k = {"expression": "1 + 0.01*T"}
    with pytest.raises(SingularError, match=r"the part of 6 cells at x = 0\.6 to 1 m"):
        solve(parted(1, material={"conductivity": k}, source_term=source, guess=1.0))


def test_a_part_that_radiates_is_tied_whatever_it_is_guessed_at():
    """The film of radiation is zero at 0 K, where the iteration begins: sigma T^4 = 0.4 beyond the gap."""
    law = {"type": "radiation", "emissivity": 1.0, "surroundings": 0.0}
    problem = parted(
        1, temperature_unit="K", source_term=1.0, boundaries={"x_min": held(1.0), "x_max": law}, guess=300.0,
        material={"conductivity": 1e6},
    )  # fmt: skip
    right = (0.4 / 5.670374419e-8) ** 0.25

    assert solve(problem).final[-6:] == pytest.approx(np.full(6, right), rel=1e-5)


def dense_reference(active, source, hold, k):
    """Least squares of the balance of all cells (NumPy); faces with x = 0 are held, the rest is insulated."""
    cells = np.flatnonzero(active)
    number = -np.ones(active.size, int)
    number[cells] = np.arange(cells.size)
    matrix, right, n = np.zeros((cells.size, cells.size)), source.reshape(-1)[cells].copy(), active.shape[0]
    for cell in cells:
        place = np.unravel_index(cell, active.shape)
        for axis in range(active.ndim):
            beside = list(place)
            beside[axis] += 1
            if beside[axis] < n and active[tuple(beside)]:
                other = np.ravel_multi_index(beside, active.shape)
                g = 2.0 / (1.0 / k.reshape(-1)[cell] + 1.0 / k.reshape(-1)[other])
                for a, b in ((cell, other), (other, cell)):
                    matrix[number[a], number[a]] += g
                    matrix[number[a], number[b]] -= g
        if place[0] == 0:
            matrix[number[cell], number[cell]] += 2.0 * k.reshape(-1)[cell]
            right[number[cell]] += 2.0 * k.reshape(-1)[cell] * hold
    return cells, np.linalg.lstsq(matrix, right, rcond=None)[0]


@pytest.mark.parametrize("seed", range(24))
def test_random_masks_against_dense_least_squares(seed):
    """Bodies of random cells: refused where a part does not touch the held face, else the reference's field."""
    rng = np.random.default_rng(seed)
    dimension = int(rng.integers(2, 4))
    n = {2: 6, 3: 4}[dimension]
    active = rng.random((n,) * dimension) < rng.uniform(0.6, 0.95)
    active[0, 0] = True
    code = np.arange(n**dimension).reshape(active.shape)
    index = " + ".join(f"{n ** (dimension - 1 - axis)}*({AXES[axis]}*{n} - 0.5)" for axis in range(dimension))
    missing = np.flatnonzero(~active)
    mask = " & ".join([f"(abs({index} - {m}) > 0.25)" for m in code.reshape(-1)[missing]] or ["(x > -1)"])
    strength = 10.0 ** rng.uniform(-3, 3)
    problem = HeatProblem.from_case(
        {
            "steady": True,
            "domain": {"size": [1.0] * dimension, "active": {"expression": mask}},
            "material": {"conductivity": {"expression": "1 + x"}},
            "source_term": {"expression": f"{strength}*(0.3 + x)"},
            "boundaries": {"x_min": held(2.0)},
            "resolution": {"cells": [n] * dimension},
        }
    )
    labels, parts = ndimage.label(active)
    tied = set(np.unique(labels[0][active[0]]))
    if parts > len(tied):
        with pytest.raises(SingularError, match=r"the part of \d+ cell"):
            solve(problem)
        return
    x = ((np.arange(n) + 0.5) / n).reshape(-1, *[1] * (dimension - 1))
    width = 1.0 / n
    source = np.broadcast_to(strength * (0.3 + x), active.shape) * width**2
    cells, right = dense_reference(active, source, 2.0, np.broadcast_to(1.0 + x, active.shape))

    solution = solve(problem)

    assert solution.is_accepted
    assert solution.final.reshape(-1)[cells] == pytest.approx(right, rel=1e-9)
    assert {audit.name: audit.verdict for audit in solution.audits}["data_bounds"] == "passed"


def test_a_field_beyond_what_its_data_allow_is_rejected():
    from grid.engine.methods.state import Bounds
    from grid.engine.space.discretise import discretise
    from grid.engine.steady.bounds import audit_bounds

    space = discretise(steady(2, 8, source_term=3.0))
    loads = space.loads(0.0)
    right = solve(steady(2, 8, source_term=3.0)).final.reshape(-1)
    references = Bounds(1.0, 1.0)

    assert audit_bounds(space, loads, right, references).verdict == "passed"
    assert audit_bounds(space, loads, 1e6 * right, references).verdict == "failed"
    assert audit_bounds(space, loads, -right, references).verdict == "failed"
