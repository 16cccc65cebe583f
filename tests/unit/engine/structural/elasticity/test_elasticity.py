"""Bodies on the grid, by the laws of linear thermo-elasticity."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine.errors import NotConvergedError, SingularError
from grid.engine.problem.domain import Domain
from grid.engine.structural.closed_forms.layers import Layer, LayeredStrip
from grid.engine.structural.closed_forms.profiles import Profile
from grid.engine.structural.elasticity import system as elastic_solver
from grid.engine.structural.elasticity.body import ElasticBody
from grid.engine.structural.elasticity.elasticity import ElasticSystem, solve_elasticity
from grid.engine.structural.elasticity.elements import Element, gauss_points
from grid.engine.structural.elasticity.free_strain import RegionStrain, make_smooth_strain
from grid.engine.structural.strength.integrity import COMPONENTS
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant

E, NU = 2e11, 0.3
PLANES = [("stress", 2), ("strain", 2), (None, 3)]


def make_body(cells, *, plane="stress", supports=None, material=None, size=None, modulus=(E,), ratio=(NU,)):
    cells = tuple(cells)
    domain = Domain(size or tuple(float(count) for count in cells), cells)
    numbers = np.zeros(cells, np.intp) if material is None else material
    return ElasticBody(domain, numbers, modulus, ratio, supports or {}, plane if len(cells) == 2 else None)


def strain_field(body, strain):
    """A free strain given at all cells, a parabola within each."""
    flat = np.flatnonzero(body.material.reshape(-1) >= 0)
    return make_smooth_strain(np.broadcast_to(strain, body.material.shape).astype(float), body.material, flat)


def centres(body):
    domain = body.domain
    axes = [(np.arange(n) + 0.5) * h for n, h in zip(domain.cells, domain.spacing, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def regions(body, *pieces):
    """Free strains in regions given by expressions."""
    parts = tuple((Constant(strain), Expression(where) if where else None) for strain, where in pieces)
    return RegionStrain(body.domain, np.flatnonzero(body.material.reshape(-1) >= 0), parts)


def faces(dimension, support):
    return {f"{axis}_{end}": support for axis in "xyz"[:dimension] for end in ("min", "max")}


@pytest.mark.parametrize(("plane", "dimension"), PLANES)
@pytest.mark.parametrize("order", [1, 2])
def test_a_linear_temperature_stresses_no_free_homogeneous_body(plane, dimension, order):
    body = make_body((5, 4, 3)[:dimension], plane=plane)
    strain = 1e-3 + sum(slope * place for slope, place in zip((2e-4, -3e-4, 1e-4), centres(body), strict=False))

    solution = solve_elasticity(body, strain_field(body, strain), order=order)

    in_plane = solution.stress[[0, 1, 3]] if dimension == 2 else solution.stress
    assert in_plane == pytest.approx(np.zeros_like(in_plane), abs=1e-9 * E)
    if plane == "strain":
        assert solution.stress[2] == pytest.approx(-E * strain, rel=1e-9)


@pytest.mark.parametrize(
    ("plane", "dimension", "expected"),
    [("stress", 2, -E * 1e-3 / (1 - NU)), ("strain", 2, -E * 1e-3 / (1 - 2 * NU)), (None, 3, -E * 1e-3 / (1 - 2 * NU))],
)
@pytest.mark.parametrize("order", [1, 2])
def test_a_body_held_all_round_bears_its_whole_free_strain(plane, dimension, expected, order):
    body = make_body((3, 4, 3)[:dimension], plane=plane, supports=faces(dimension, "fixed"))

    solution = solve_elasticity(body, strain_field(body, 1e-3), order=order)

    for component in ("xx", "yy"):
        assert solution.stress[COMPONENTS.index(component)] == pytest.approx(expected, rel=1e-9)
    zz = 0.0 if plane == "stress" else expected
    assert solution.stress[2] == pytest.approx(zz, rel=1e-9)
    assert solution.displacement == pytest.approx(np.zeros_like(solution.displacement), abs=1e-15)


@pytest.mark.parametrize(("order", "dimension"), [(1, 2), (2, 2), (1, 3), (2, 3)])
def test_elements_pass_the_patch_test(order, dimension):
    """A constant strain gives a constant stress and no force inside; a rigid motion gives neither."""
    element = Element(order, (0.7, 1.3, 0.4)[:dimension], is_plane_stress=False)
    stiffness = element.stiffness(0.3)
    axes = [np.linspace(0, h, order + 1) for h in element.spacing]
    coordinates = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dimension)
    gradient = np.random.default_rng(2).normal(size=(dimension, dimension))
    spin = gradient - gradient.T
    none = np.zeros((1, stiffness.inverse.shape[0]))
    points = gauss_points(3, dimension)[0]

    stress = stiffness.stress(points, (coordinates @ gradient.T).reshape(1, -1), none, np.zeros((1, len(points))))
    turned = stiffness.stress(points, (coordinates @ spin.T).reshape(1, -1), none, np.zeros((1, len(points))))

    strain = [gradient[a, a] if a == b else gradient[a, b] + gradient[b, a] for a, b in _pairs(dimension)]
    expected = element.elasticity(0.3)[0] @ strain
    assert stress[:, 0] == pytest.approx(np.repeat(expected[:, None], len(points), axis=1))
    assert turned == pytest.approx(np.zeros_like(turned), abs=1e-12)
    assert stiffness.matrix @ (coordinates @ spin.T).reshape(-1) == pytest.approx(np.zeros(coordinates.size), abs=1e-12)
    assert np.linalg.matrix_rank(stiffness.matrix, tol=1e-9) == coordinates.size - dimension * (dimension + 1) // 2


def _pairs(dimension):
    return ((0, 0), (1, 1), (0, 1)) if dimension == 2 else ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))


@pytest.mark.parametrize(("dimension", "order"), [(2, 1), (2, 2), (3, 1)])
def test_a_free_body_of_two_materials_bears_no_net_force_on_any_section(dimension, order):
    """Normal and shear forces through each layer of cells vanish as the grid is refined."""

    def largest_force(cells):
        shape = (cells,) * dimension
        material = np.zeros(shape, np.intp)
        material[: cells // 2] = 1
        ratio, modulus = (0.0, 0.45), (1e11, 4e11)
        body = make_body(
            shape, plane="strain", size=(1.0,) * dimension, material=material, modulus=modulus, ratio=ratio
        )
        smooth = np.prod([np.sin(2.0 * place + 0.3) for place in centres(body)], axis=0)
        stress = solve_elasticity(body, strain_field(body, 1e-3 * smooth), order=order).stress
        return (
            max(
                np.abs(stress[component].mean(axis=tuple(a for a in range(dimension) if a != axis))).max()
                for axis in range(dimension)
                for component in range(6)
                if "xyz"[axis] in COMPONENTS[component] and component != 2
            )
            / np.abs(stress).max()
        )

    coarse, fine = largest_force(6), largest_force(12)

    assert fine < 0.02
    assert fine < max(0.4 * coarse, 1e-9)


@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_half_a_body_with_a_plane_of_symmetry_is_the_whole_one(plane):
    whole = make_body((12, 6), plane=plane)
    half = make_body((6, 6), plane=plane, supports={"x_min": "symmetry"})
    strains = [1e-4 * (x - middle) ** 2 + 2e-4 * y for (x, y), middle in ((centres(whole), 6.0), (centres(half), 0.0))]

    full, part = (solve_elasticity(body, strain_field(body, s)) for body, s in zip((whole, half), strains, strict=True))

    assert part.stress == pytest.approx(full.stress[:, 6:], abs=1e-9 * E)


def test_symmetric_quarters_of_a_patch_are_the_whole_patch():
    whole, quarter = make_body((16, 12)), make_body((8, 6), supports={"x_min": "symmetry", "y_min": "symmetry"})
    everywhere = regions(whole, (5e-4, "(abs(x - 8) < 3) & (abs(y - 6) < 2)"))
    corner = regions(quarter, (5e-4, "(x < 3) & (y < 2)"))

    full, part = solve_elasticity(whole, everywhere), solve_elasticity(quarter, corner)

    assert part.stress == pytest.approx(full.stress[:, 8:, 6:], abs=1e-9 * E)


@pytest.mark.parametrize(("cells", "order"), [((5, 7), 2), ((4, 5, 3), 1)])
def test_turning_the_axes_turns_the_stresses_and_leaves_von_mises(cells, order):
    rng = np.random.default_rng(7)
    strain, material = rng.normal(scale=1e-3, size=cells), rng.integers(0, 2, cells)
    forward = (*range(1, len(cells)), 0)
    body = make_body(cells, material=material, modulus=(1e11, 3e11), ratio=(0.2, 0.4))
    turned = make_body(
        [cells[axis] for axis in forward], material=material.transpose(forward), modulus=(1e11, 3e11), ratio=(0.2, 0.4)
    )

    one = solve_elasticity(body, strain_field(body, strain), order=order)
    other = solve_elasticity(turned, strain_field(turned, strain.transpose(forward)), order=order)

    scale = np.abs(one.stress).max()
    assert other.von_mises == pytest.approx(one.von_mises.transpose(forward), abs=1e-9 * scale)
    assert other.stress[0] == pytest.approx(one.stress[1].transpose(forward), abs=1e-9 * scale)


def test_far_from_its_ends_a_strip_is_the_closed_form():
    """Saint-Venant: a parabolic temperature in a strip eight times as long as high."""
    body = make_body((64, 16), size=(8.0, 1.0))
    y = centres(body)[1] - 0.5
    profile = Profile(lambda s: 1e-3 * (1 - 4 * s**2), -0.5, 0.5, E, is_expansion_free=True, is_bending_free=True)

    solution = solve_elasticity(body, strain_field(body, 1e-3 * (1 - 4 * y**2)))

    for place in (-0.5, -0.2, 0.0, 0.3, 0.5):
        expected = float(profile.stress_at(place))
        assert solution.stress_at((4.0, place + 0.5), "xx") == pytest.approx(expected, abs=2e-3 * E * 1e-3)
        assert solution.stress_at((4.0, place + 0.5), "yy") == pytest.approx(0.0, abs=2e-3 * E * 1e-3)


@pytest.mark.parametrize(("order", "cells"), [(1, (60, 4)), (2, (30, 2))])
def test_layers_on_the_grid_bend_as_layers_do(order, cells):
    """Two materials, few cells across: an element that locks would be far too stiff."""
    material = np.zeros(cells, np.intp)
    material[:, cells[1] // 2 :] = 1
    body = make_body(cells, size=(30.0, 1.0), material=material, modulus=(7e10, 2e11), ratio=(0.3, 0.3))
    strip = LayeredStrip((Layer(0.5, 7e10, 2.3e-5), Layer(0.5, 2e11, 1.1e-5)), -60.0)

    solution = solve_elasticity(body, strain_field(body, np.where(material == 0, 2.3e-5, 1.1e-5) * -60.0), order=order)

    scale = max(abs(strip.stress_at(0.0, 1)), abs(strip.stress_at(0.5, 2)))
    for z, layer in ((0.0, 1), (0.25, 1), (0.75, 2), (1.0, 2)):
        assert solution.stress_at((15.0, z), "xx") == pytest.approx(strip.stress_at(z, layer), abs=0.01 * scale)
    sag = solution.displacement[1, :, 0]
    middle, ends = sag[cells[0] // 2], 0.5 * (sag[0] + sag[-1])
    assert ends - middle == pytest.approx(-strip.curvature * 15.0**2 / 2, rel=0.02)


@pytest.mark.parametrize(("plane", "factor"), [("stress", 1.0), ("strain", 1.0 / (1.0 - NU**2) * (1.0 + NU))])
def test_a_round_inclusion_is_stressed_evenly(plane, factor):
    """A circle in a wide body bears -E e / 2 in plane stress; e becomes (1 + nu) e and E E/(1 - nu^2) in plane strain
    (Timoshenko and Goodier, articles 13 and 151). Its edge cuts cells."""
    body = make_body((60, 60), plane=plane, size=(6.0, 6.0), supports={"x_min": "symmetry", "y_min": "symmetry"})
    expected = -0.5 * E * 1e-3 * factor

    solution = solve_elasticity(body, regions(body, (1e-3, "x**2 + y**2 < 1")))

    for place in ((0.0, 0.0), (0.4, 0.1), (0.3, 0.5)):
        for component in ("xx", "yy"):
            assert solution.stress_at(place, component) == pytest.approx(expected, rel=0.05)
    assert solution.stress_at((1.0, 0.0), "xx", side="inside") == pytest.approx(expected, rel=0.08)
    assert solution.stress_at((1.0, 0.0), "yy", side="outside") == pytest.approx(-expected, rel=0.12)
    assert solution.stress_at((2.0, 0.0), "xx") == pytest.approx(expected / 4, rel=0.12)  # (1/r)^2, less the far edge


def test_limits_from_both_sides_of_a_straight_edge_differ_by_the_free_strain():
    """Across an edge normal to x, xx and xy continue and yy jumps by -E e in plane stress."""
    body = make_body((40, 32), size=(10.0, 8.0), supports={"x_min": "symmetry", "y_min": "symmetry"})

    solution = solve_elasticity(body, regions(body, (1e-3, "(x < 4) & (y < 3)")))

    inside, outside = (
        {part: solution.stress_at((4.0, 1.0), part, side=side) for part in ("xx", "yy", "xy")}
        for side in ("inside", "outside")
    )
    assert inside["yy"] - outside["yy"] == pytest.approx(-E * 1e-3, rel=0.01)
    assert inside["xx"] == pytest.approx(outside["xx"], abs=0.01 * E * 1e-3)
    assert solution.stress_at((4.0, 1.0), "xx") == pytest.approx(inside["xx"], abs=0.01 * E * 1e-3)


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_iteration_finds_what_the_factorisation_finds(dimension, monkeypatch):
    rng = np.random.default_rng(11)
    cells = (9, 8, 5)[:dimension]
    material = rng.integers(0, 2, cells)
    material[0, 0] = -1
    for supports in ({}, {"x_max": "fixed"}, {"y_min": "symmetry"}):
        body = make_body(cells, material=material, modulus=(1e11, 3e11), ratio=(0.2, 0.4), supports=supports)
        strain = strain_field(body, rng.normal(scale=1e-3, size=cells))
        monkeypatch.setattr(elastic_solver, "DIRECT_FREEDOMS", {2: 10**9, 3: 10**9})
        direct = solve_elasticity(body, strain, order=1)
        monkeypatch.setattr(elastic_solver, "DIRECT_FREEDOMS", {2: 0, 3: 0})
        found = solve_elasticity(body, strain, order=1)

        scale = np.abs(direct.stress).max()
        assert found.stress == pytest.approx(direct.stress, abs=1e-6 * scale)


def test_an_iteration_that_stops_short_is_an_error(monkeypatch):
    body = make_body((12, 12), supports={"x_min": "fixed"})
    monkeypatch.setattr(elastic_solver, "DIRECT_FREEDOMS", {2: 0, 3: 0})
    monkeypatch.setattr(elastic_solver, "MAX_ITERATIONS", 1)

    with pytest.raises(NotConvergedError, match="displacements"):
        solve_elasticity(body, strain_field(body, centres(body)[0] ** 2 * 1e-5), order=1)


def test_one_factorisation_answers_any_number_of_strains():
    body = make_body((6, 5), supports={"x_min": "fixed"})
    system = ElasticSystem(body)
    first, second = (strain_field(body, factor * centres(body)[1] ** 2) for factor in (1e-4, 3e-4))

    one, three = system.solve(first), system.solve(second)

    assert three.stress == pytest.approx(3 * one.stress, rel=1e-9, abs=1.0)
    assert system.solve(first).stress == pytest.approx(one.stress)


def test_the_error_of_linear_elements_falls_with_the_square_of_the_spacing():
    def solve(cells, order):
        body = make_body((cells, cells), size=(1.0, 1.0), supports={"x_min": "symmetry"})
        x, y = centres(body)
        strain = strain_field(body, 1e-3 * np.sin(3 * x) * np.cos(2 * y))
        return solve_elasticity(body, strain, order=order).stress_at((0.5, 0.5), "yy")

    exact = solve(48, 2)

    assert np.log2(abs(solve(12, 1) - exact) / abs(solve(24, 1) - exact)) > 1.7


def test_parts_of_a_body_are_strained_on_their_own():
    material = np.zeros((9, 4), np.intp)
    material[4] = -1
    body = make_body((9, 4), material=material)
    strain = np.where(np.arange(9)[:, None] < 4, 1e-3, -2e-3)

    solution = solve_elasticity(body, strain_field(body, strain))

    assert solution.stress == pytest.approx(np.zeros((6, 9, 4)), abs=1e-6 * E * 1e-3)
    assert solution.stress[:, 4] == pytest.approx(0.0)


def test_a_hinge_is_refused():
    material = np.full((6, 6), -1, np.intp)
    material[:3, :3] = material[3:, 3:] = 0
    body = make_body((6, 6), material=material)

    with pytest.raises(SingularError, match="corner"):
        solve_elasticity(body, strain_field(body, 1e-3))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ratio": (0.5,)}, "poisson_ratio"), ({"ratio": (-1.0,)}, "poisson_ratio"),
        ({"modulus": (0.0,)}, "young_modulus"),
        ({"supports": {"z_min": "fixed"}}, "supports"), ({"supports": {"x_min": "glued"}}, "supports.x_min"),
        ({"material": np.full((3, 3), -1)}, "active"), ({"plane": None}, "plane"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_is_refused(changes, field):
    with pytest.raises(FieldError, match=field):
        make_body((3, 3), **changes)


def test_a_rod_is_refused():
    with pytest.raises(FieldError, match="closed forms"):
        ElasticBody(Domain((1.0,), (4,)), np.zeros(4, np.intp), (E,), (NU,))


@pytest.mark.parametrize(
    ("point", "component", "side", "field"),
    [
        ((9.0, 1.0), "xx", None, "at"), ((1.0,), "xx", None, "at"), ({"x": 1.0}, "xx", None, "at"),
        ((1.0, 1.0), "rr", None, "component"), ((1.0, 1.0), "xx", "inside", "side"), ((3.0, 1.0), "xx", "left", "side"),
    ],
)  # fmt: skip
def test_a_probe_without_an_answer_is_refused(point, component, side, field):
    body = make_body((8, 6))
    solution = solve_elasticity(body, regions(body, (1e-3, "x < 3")))

    with pytest.raises(FieldError, match=field):
        solution.stress_at(point, component, side)


def test_a_body_without_yield_stress_has_no_safety_factor():
    body = make_body((4, 4))

    with pytest.raises(FieldError, match="yield_stress"):
        _ = solve_elasticity(body, strain_field(body, 1e-3)).safety_factor


def test_a_single_row_of_cells_still_gives_stresses_at_points():
    body = make_body((1, 6), supports=faces(2, "fixed"))

    for order in (1, 2):
        solution = solve_elasticity(body, strain_field(body, 1e-3), order=order)
        assert solution.stress_at((0.5, 3.0), "yy") == pytest.approx(-E * 1e-3 / (1 - NU), rel=1e-6)
