"""Compile, or load from the cache, the kernels that jobs use: a few before the first job, the others in advance."""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grid.engine.problem.problem import HeatProblem
    from grid.engine.values.value import Value

# [-] cells along each axis, by dimension; beyond every size at which kernels share threads
LARGE = {1: 100_000, 2: 320, 3: 47}
# [-] cells along each axis, of different lengths, for which the explicit method has other kernels
UNEQUAL: tuple[tuple[int, ...], ...] = ((6, 5), (330, 310), (6, 5, 4), (50, 46, 44))
# [-] cells along each axis of a steady plane solved by multigrid, and of a steady body solved by conjugate gradients
PLANE, BODY = 96, 17


def warm(serial: bool = True) -> None:
    """Run the kernels that most jobs use once on tiny problems; some 10 s where the cache is empty.

    The other kernels are those that `compile_ahead` runs.

    Args:
        serial: Only kernels of one thread; False adds the parallel ones, and 3D.
    """
    from dataclasses import replace

    from grid.engine.methods.explicit.stepper import ExplicitStepper
    from grid.engine.run.planning import prepare
    from grid.engine.run.time_loop import make_start, make_stepper
    from grid.engine.values.expression import Expression
    from grid.engine.values.value import Constant

    _run_expression()
    dimensions = (2,) if serial else (1, 2, 3)
    kinds: list[tuple[int, Value]] = [(1, Constant(1.0)), *((d, Expression("1 + x")) for d in dimensions)]
    for dimension, conductivity in kinds:
        problem = _box((4,) * dimension, conductivity, 0.01)
        for method in ("explicit", "implicit"):
            prepare(problem, method=method, steps=1).solve()
        plan = prepare(problem, method="explicit", steps=1)
        stepper = make_stepper(plan)
        if not serial and isinstance(stepper, ExplicitStepper):
            stepper = replace(stepper, is_parallel=True)
            stepper.advance(make_start(plan), stepper.make_segment(0.0, 0.01), 0, 1)


def compile_ahead() -> None:
    """Run every kernel once, so that no job has to compile one: every method on small and large boxes.

    With an empty cache it takes minutes of processor time and some 700 MB, so it has its own process; with fewer than
    two threads the parallel kernels are left out.
    """
    from grid.core.errors import GridError
    from grid.engine.run.planning import prepare
    from grid.engine.values.expression import Expression

    _run_expression()
    for problem, method in _everything():
        try:
            plan = prepare(problem, method=method, tolerance=0.05)
        except GridError:  # the method cannot solve the problem
            continue
        plan.solve()
    prepare(_box((6, 6), Expression("1 + x"), 0.01), method="krylov", tolerance=1e-6).solve()  # in double precision
    prepare(_melting(), method="implicit", tolerance=0.05).solve()
    _label_parts()
    _look_at_bodies()


def _everything() -> "Iterator[tuple[HeatProblem, str]]":
    from grid.engine.methods import METHODS
    from grid.engine.values.expression import Expression
    from grid.engine.values.value import Constant

    conductivities: tuple[Value, ...] = (Constant(1.0), Expression("1 + x"), Expression("1 + T"))
    for dimension, conductivity in product((1, 2, 3), conductivities):
        for method in METHODS:
            yield _box((6,) * dimension, conductivity, 0.01), method.name
            if "T" not in conductivity.variables or method.name != "implicit":  # as on small boxes, and not quick
                yield _box((LARGE[dimension],) * dimension, conductivity, 1e-9), method.name
    for cells in UNEQUAL:
        yield _box(cells, conductivities[0], 1e-9), "explicit"
    for cells, law in product(((PLANE,) * 2, (BODY,) * 3), conductivities):
        yield _box(cells, law, None), "auto"
        yield _box(cells, law, 0.01), "implicit"


def _box(cells: tuple[int, ...], conductivity: "Value", end: float | None) -> "HeatProblem":
    """A unit box from 1 to 0 until an end time, or steady."""
    from grid.engine.problem.boundaries import Radiation, Temperature
    from grid.engine.problem.domain import Domain
    from grid.engine.problem.material import Material
    from grid.engine.problem.problem import HeatProblem

    one: Any = 1.0
    faces: dict[str, Any] = {"x_min": Temperature(0.0 * one)}
    if "T" in conductivity.variables:
        faces["x_max"] = Radiation(0.5 * one, one)
    return HeatProblem(
        domain=Domain((1.0,) * len(cells), cells),
        materials=(Material((conductivity,), one),),
        initial=one,
        guess=one,
        boundaries=faces,
        steady=end is None,
        end_time=end,
        temperature_unit="K",
    )


def _melting() -> "HeatProblem":
    """A plane that begins to freeze."""
    from dataclasses import replace

    from grid.engine.problem.material import Material
    from grid.engine.values.phase_change import Enthalpy, HeatCapacity
    from grid.engine.values.value import Constant

    law = Enthalpy.melting(0.5, 1.0, 1.0, 1.0)
    material = Material((Constant(1.0),), volumetric_heat_capacity=HeatCapacity(law), enthalpy=law)
    return replace(_box((6, 6), Constant(1.0), 0.01), materials=(material,))


def _label_parts() -> None:
    """Run the search for the parts of a steady body."""
    from grid.engine.space.discretise import discretise
    from grid.engine.steady.parts import label_parts
    from grid.engine.values.value import Constant

    label_parts(discretise(_box((6, 6), Constant(1.0), None)), 0.0)


def _look_at_bodies() -> None:
    """Run the passes over all cells of large bodies of several materials, and of bodies that loads drive."""
    import numpy as np

    from grid.engine.methods.driven.vector_kernels import take_out
    from grid.engine.space.sum_kernels import add_faces, conduct

    gx, gy, gz = np.ones((3, 4)), np.ones((2, 6)), np.ones((2, 6))  # conductances of the faces of eight cells
    for faces in (gx, gy, gz):
        faces.flags.writeable = False  # as those of a discretised body
    cells, ones = np.empty((2, 4)), np.ones((2, 4))
    conduct(cells, ones, gx, gy, gz, 2)
    add_faces(cells, gx, gy, gz, 2)
    take_out(cells[0], ones[0], ones[0], 1.0, ones[0])


def _run_expression() -> None:
    """Run the stack machine of expressions over a grid of many cells."""
    import numpy as np

    from grid.engine.values.expression import Expression

    law: Expression = Expression("1 + x*x + y*y + x*y + 2*x + 3*y")
    line = np.linspace(0.0, 1.0, LARGE[2])
    law.evaluate({"x": line[:, None], "y": line[None, :]})
