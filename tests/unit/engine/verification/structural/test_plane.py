"""Plane cases: other supports, regions and probes than the published ones, by law; and bad ones."""

from typing import Any

import pytest

from grid.core.errors import InputError, UnsupportedError
from grid.engine.verification.structural.cases import prepare_case

E, NU, STRAIN = 7e10, 0.33, 5e-4
FACES = ("x_min", "x_max", "y_min", "y_max")


def plane(*pieces: tuple[Any, str | None], supports: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "stress",
        "model": "plane",
        "dimension": 2,
        "domain": {"coordinates": "cartesian", "size": [0.04, 0.02]},
        "resolution": {"cells": [32, 16]},
        "plane": "stress",
        "material": {"young_modulus": E, "poisson_ratio": NU},
        "supports": dict.fromkeys(FACES, "free") | (supports or {}),
        "eigenstrain": [
            {"strain": strain} | ({"where": {"expression": where}} if where else {}) for strain, where in pieces
        ],
        **changes,
    }


def ask(case: dict[str, Any], component: str, x: float, y: float, **more: Any) -> float:
    entry = {"quantity": "stress", "component": component, "at": {"x": x, "y": y}, **more}
    value = prepare_case(case)(entry)
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize(
    ("kind", "expected"), [("stress", -E * STRAIN / (1 - NU)), ("strain", -E * STRAIN / (1 - 2 * NU))]
)
def test_a_body_fixed_all_round_is_held_by_its_faces(kind, expected):
    case = plane((STRAIN, None), supports=dict.fromkeys(FACES, "fixed"), plane=kind)

    assert ask(case, "xx", 0.01, 0.01) == pytest.approx(expected)
    assert ask(case, "zz", 0.0, 0.02) == pytest.approx(0.0 if kind == "stress" else expected)


def test_a_body_between_two_smooth_walls_is_a_bar_between_them():
    walls = {"x_min": "symmetry", "x_max": "symmetry"}

    assert ask(plane((STRAIN, None), supports=walls), "xx", 0.03, 0.01) == pytest.approx(-E * STRAIN)
    assert ask(plane((STRAIN, None), supports=walls), "yy", 0.03, 0.01) == pytest.approx(0.0, abs=1.0)
    long = plane((STRAIN, None), supports=walls, plane="strain")  # no strain along x and z
    assert ask(long, "xx", 0.03, 0.01) == pytest.approx(-E * STRAIN / (1 - NU))
    assert ask(long, "zz", 0.03, 0.01) == pytest.approx(-E * STRAIN / (1 - NU))


def test_strains_that_overlap_add_up():
    one, other = (STRAIN, "x < 0.02"), (-2e-4, "y > 0.01")
    coordinates = [(0.005, 0.004), (0.01, 0.015), (0.033, 0.012)]

    for x, y in coordinates:
        parts = ask(plane(one), "xx", x, y) + ask(plane(other), "xx", x, y)
        assert ask(plane(one, other), "xx", x, y) == pytest.approx(parts, abs=2e-3 * E * STRAIN)


def test_a_body_elsewhere_is_the_same_body():
    here = plane((STRAIN, "(x < 0.02) & (y < 0.01)"), supports={"x_min": "fixed"})
    there = plane((STRAIN, "(x < 1.02) & (y < -1.99)"), supports={"x_min": "fixed"})
    there["domain"]["origin"] = [1.0, -2.0]

    assert ask(there, "xy", 1.013, -1.985) == pytest.approx(ask(here, "xy", 0.013, 0.015), abs=1e-6 * E * STRAIN)


def test_a_mirrored_body_bears_the_mirrored_stress():
    left = plane((STRAIN, "(x < 0.015) & (y < 0.01)"), supports={"x_min": "fixed", "y_min": "symmetry"})
    right = plane((STRAIN, "(x > 0.025) & (y < 0.01)"), supports={"x_max": "fixed", "y_min": "symmetry"})

    for component, sign in (("xx", 1), ("yy", 1), ("xy", -1)):
        mirrored = sign * ask(right, component, 0.04 - 0.011, 0.006)
        assert ask(left, component, 0.011, 0.006) == pytest.approx(mirrored, abs=1e-9 * E * STRAIN)


def test_an_edge_between_cell_faces_gives_the_limits_of_one_on_them():
    aligned = plane((STRAIN, "y < 0.01"), supports={"x_min": "symmetry", "x_max": "symmetry", "y_min": "symmetry"})
    between = {**aligned, "resolution": {"cells": [31, 15]}}

    for side in ("inside", "outside"):
        expected = ask(aligned, "xx", 0.02, 0.01, side=side)
        assert ask(between, "xx", 0.02, 0.01, side=side) == pytest.approx(expected, abs=0.01 * E * STRAIN)
    jump = ask(aligned, "xx", 0.02, 0.01, side="inside") - ask(aligned, "xx", 0.02, 0.01, side="outside")
    assert jump == pytest.approx(-E * STRAIN)


def test_of_two_regions_that_meet_each_has_an_inside_and_the_point_need_not_touch_both():
    case = plane((STRAIN, "x < 0.01"), (2 * STRAIN, "x > 0.03"), supports={"y_min": "symmetry", "y_max": "symmetry"})

    for x in (0.01, 0.03):
        inside, outside = (ask(case, "yy", x, 0.01, side=side) for side in ("inside", "outside"))
        size = STRAIN if x == 0.01 else 2 * STRAIN
        assert inside - outside == pytest.approx(-E * size, rel=0.01)


def test_a_case_without_a_grid_takes_one_that_is_fine_enough():
    fine, own = plane((STRAIN, "(x < 0.02) & (y < 0.01)")), plane((STRAIN, "(x < 0.02) & (y < 0.01)"))
    fine["resolution"] = {"cells": [64, 32]}
    del own["resolution"]

    assert ask(own, "yy", 0.011, 0.004) == pytest.approx(ask(fine, "yy", 0.011, 0.004), abs=2e-3 * E * STRAIN)


def test_a_strain_that_is_undefined_where_it_does_not_hold_does_no_harm():
    careful = plane(({"expression": "5e-4*sqrt(0.02 - x)/sqrt(0.02)"}, "x < 0.02"))

    assert abs(ask(careful, "yy", 0.005, 0.01)) < E * STRAIN


def test_von_mises_at_a_point_is_that_of_its_components():
    case = plane((STRAIN, "x < 0.02"), plane="strain", supports={"y_min": "fixed"})
    xx, yy, zz, xy = (ask(case, part, 0.011, 0.013) for part in ("xx", "yy", "zz", "xy"))

    found = prepare_case(case)({"quantity": "von_mises", "at": {"x": 0.011, "y": 0.013}})

    assert found**2 == pytest.approx(0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3 * xy**2)


def test_a_hole_is_not_strained_and_cannot_be_probed():
    case = plane((STRAIN, "x < 0.02"), supports={"x_min": "fixed"})
    case["domain"]["active"] = {"expression": "(x < 0.01) | (x > 0.03) | (y > 0.01)"}

    assert abs(ask(case, "xx", 0.005, 0.005)) > 0
    with pytest.raises(InputError, match="at"):
        ask(case, "xx", 0.02, 0.005)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dimension": 3}, "dimension"), ({"plane": "wrinkled"}, "plane"), ({"eigenstrain": []}, "eigenstrain"),
        ({"material": {"young_modulus": E, "poisson_ratio": 0.5}}, "material.poisson_ratio"),
        ({"supports": {"x_min": "free"}}, "supports.x_max"), ({"resolution": {"cells": [8]}}, "resolution.cells"),
        ({"supports": dict.fromkeys(FACES, "clamped")}, "supports.x_min"), ({"resolution": {"cells": [8, 0]}}, "cells"),
        ({"resolution": {"cells": [100_000, 100_000]}}, "resolution.cells"),
        ({"domain": {"coordinates": "cartesian", "size": [1.0]}}, "domain.size"),
        ({"domain": {"coordinates": "polar", "size": [1.0, 1.0]}}, "domain.coordinates"),
        ({"domain": {"coordinates": "cartesian", "size": [1.0, 1.0], "active": {"expression": "x > 2"}}}, "active"),
        ({"domain": {"coordinates": "cartesian", "size": [1.0, 1.0], "active": {"expression": "x"}}}, "active"),
        ({"eigenstrain": [{"strain": {"expression": "t"}}]}, "eigenstrain[0].strain"),
        ({"eigenstrain": [{"strain": {"table": [[0, 1]]}}]}, "eigenstrain[0].strain"),
        ({"eigenstrain": [{"strain": 2.0}]}, "eigenstrain[0].strain"),
        ({"eigenstrain": [{"strain": {"expression": "1/(x - x)"}}]}, "eigenstrain[0].strain"),
        ({"eigenstrain": [{"strain": 1e-3, "where": {"expression": "x + y"}}]}, "eigenstrain[0].where"),
        ({"eigenstrain": [{"strain": 1e-3, "where": {"expression": "z < 1"}}]}, "eigenstrain[0].where"),
        ({"eigenstrain": [{"where": {"expression": "x < 1"}}]}, "eigenstrain[0].strain"),
    ],
)  # fmt: skip
def test_a_bad_case_is_refused_with_the_field(changes, field):
    with pytest.raises(InputError) as caught:
        prepare_case(plane((STRAIN, None)) | changes)

    assert field in str(caught.value)


def test_a_grid_whose_every_cell_is_cut_has_no_stress_to_tell():
    with pytest.raises(InputError, match="cuts"):
        ask(plane((STRAIN, "x < 0.011"), resolution={"cells": [1, 1]}), "xx", 0.01, 0.01)


def test_more_cells_than_memory_is_planned_for_are_refused():
    with pytest.raises(UnsupportedError, match="cells"):
        prepare_case(plane((STRAIN, None), resolution={"cells": [2000, 1000]}))


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"quantity": "stress", "component": "xx"}, "at"),
        ({"quantity": "stress", "component": "yz", "at": {"x": 0.0, "y": 0.0}}, "component"),
        ({"quantity": "stress", "component": "xx", "at": {"x": 0.0, "y": 1.0}}, "at"),
        ({"quantity": "stress", "component": "xx", "at": {"x": 0.0, "y": 0.0}, "side": "inside"}, "side"),
        ({"quantity": "safety_factor"}, "quantity"),
    ],
)
def test_a_question_without_an_answer_is_refused_with_the_field(entry, field):
    compute = prepare_case(plane((STRAIN, "x < 0.02")))

    with pytest.raises(InputError, match=field):
        compute(entry)
