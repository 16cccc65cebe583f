"""Compile, or load from the cache, the kernels that jobs use: a few before the first job, the others ahead of need."""

import os
import resource
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grid.engine.kernel_folder import find_folder, open_folder
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant, Value

if TYPE_CHECKING:
    from grid.engine.problem.problem import HeatProblem

NOTES = "groups"  # folder of one file for each group of kernels that is compiled
PLANE, MANY = 96, 32  # cells along each axis, where steady planes and transients of bodies go by multigrid


def warm(serial: bool = True) -> None:
    """Run the kernels that most jobs use once on tiny problems; some seconds where nothing is in the cache yet.

    What is left to the first problem that needs it is what `compile_ahead` runs, or what that problem compiles itself.

    Args:
        serial: Only kernels of one thread; False adds the general explicit ones, the parallel among them.
    """
    from grid.engine.problem.material import Contact

    for dimension in (1, 2):
        driven = _box((6,) * dimension, Expression("1 + x"), 0.01, Expression("sin(9*t)"))
        for method in ("modal", "krylov", "implicit"):
            _solve(driven, method)
    joined = replace(_box((6, 6), Expression("1 + T"), 0.01), contacts=(Contact("x", 0.5, 1.0),))
    _solve(joined, "implicit")
    if not serial:
        _run_explicit()


@dataclass(frozen=True)
class Group:
    """Kernels that are compiled one after the other, and are noted together when they are there."""

    name: str
    compile: Callable[[], object]


def list_groups() -> tuple[Group, ...]:
    """Return the groups of kernels, those that most jobs use first.

    Of 95 random problems of engineers (`benchmarks/engineers/random_problems.py`), whose methods are chosen by their
    cost, 83 need the first group at most, 89 the first two, and 92 the first three. What is in no group is compiled by
    the first problem that needs it, and is kept then as well: kernels of methods that are asked for by name, of large
    boxes of one material, and of several threads among them.
    """
    return (
        Group("common", warm),
        Group("steady", _run_steady),
        Group("many cells", _run_multigrid),
        Group("melting", _run_melting),
        Group("live", _run_live),
    )


def find_missing() -> list[str]:
    """Return the names of the groups that the cache of this machine and version lacks; none where there can be none."""
    folder = find_folder()
    if folder is None or (folder.parent.exists() and not os.access(folder.parent, os.W_OK)):
        return []
    return [group.name for group in list_groups() if not _note(folder, group).exists()]


def find_failed() -> list[str]:
    """Return the names of the groups that could not be compiled on this machine; they are not tried again."""
    folder = find_folder()
    return [] if folder is None else [group.name for group in list_groups() if _size(_note(folder, group)) > 0]


def compile_ahead(*, most_bytes: int | None = None, on_group: Callable[[str], object] = lambda _: None) -> list[str]:
    """Put every kernel into the cache, so that no job meets one that is not there; return the names of the groups.

    Groups that are noted as compiled are left out.

    It has a process of its own, with two threads or more, else the kernels that share work are left out.

    Args:
        most_bytes: Return after the group with which the process has come to hold so much memory, for a new process to
            go on; None: never.
        on_group: Told the name of each group before it is compiled.

    Raises:
        OSError: There is no room for notes.
    """
    folder, done = open_folder(), []
    for group in list_groups():
        if folder is not None and _note(folder, group).exists():
            continue
        on_group(group.name)
        failure = ""
        try:
            group.compile()
        except Exception:  # noqa: BLE001 - it is told by `find_failed`, and must not stop the others
            failure = traceback.format_exc()
        if folder is not None:
            note = _note(folder, group)
            note.parent.mkdir(mode=0o700, exist_ok=True)
            note.write_text(failure, encoding="utf-8")
        done.append(group.name)
        if most_bytes is not None and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > most_bytes:
            break
    return done


def is_warm() -> bool:
    """Whether what `warm` runs is in the cache of this machine and version, or there can be none."""
    folder = find_folder()
    return folder is None or _note(folder, list_groups()[0]).exists()


def _note(folder: Path, group: Group) -> Path:
    """The file that says that a group is compiled; empty, or why it could not be."""
    return folder / NOTES / group.name.replace(", ", "-").replace(" ", "-")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _solve(problem: "HeatProblem", method: str, tolerance: float = 0.05) -> None:
    from grid.core.errors import GridError
    from grid.engine.run.planning import prepare

    try:
        plan = prepare(problem, method=method, tolerance=tolerance)
    except GridError:  # the method cannot do the problem
        return
    plan.solve()


def _run_steady() -> None:
    """Steady planes by multigrid; bodies need no further kernels."""
    from grid.engine.space.discretise import discretise
    from grid.engine.steady.parts import label_parts

    label_parts(discretise(_box((6, 6), Constant(1.0), None)), 0.0)
    laws: tuple[Value, ...] = (Constant(1.0), Expression("1 + x"))
    for law in laws:
        _solve(_box((PLANE,) * 2, law, None), "auto")


def _run_multigrid() -> None:
    """Krylov spaces and implicit steps on more cells than are factorised, and sums over all cells of boards."""
    _run_sums()
    for method in ("krylov", "implicit"):
        _solve(_box((MANY,) * 3, Expression("1 + x"), 1e-9), method)


def _run_sums() -> None:
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


def _run_explicit() -> None:
    """The general explicit kernels, of one thread and of several."""
    from grid.engine.methods.explicit.stepper import ExplicitStepper
    from grid.engine.run.planning import prepare
    from grid.engine.run.time_loop import make_start, make_stepper

    kinds: list[tuple[int, Value]] = [(1, Constant(1.0)), *((d, Expression("1 + x")) for d in (1, 2, 3))]
    for dimension, conductivity in kinds:
        plan = prepare(_box((4,) * dimension, conductivity, 0.01), method="explicit", steps=1)
        plan.solve()
        stepper = make_stepper(plan)
        if isinstance(stepper, ExplicitStepper):
            stepper = replace(stepper, is_parallel=True)
            stepper.advance(make_start(plan), stepper.make_segment(0.0, 0.01), 0, 1)


def _box(cells: tuple[int, ...], conductivity: Value, end: float | None, held: Value | None = None) -> "HeatProblem":
    """A unit box from 1 to what its face is held at, 0 where nothing is said, until a time, or for ever."""
    from grid.engine.problem.boundaries import Radiation, Temperature
    from grid.engine.problem.domain import Domain
    from grid.engine.problem.material import Material
    from grid.engine.problem.problem import HeatProblem

    one: Any = 1.0
    faces: dict[str, Any] = {"x_min": Temperature(0.0 * one if held is None else held)}
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


def _run_melting() -> None:
    """A plane that begins to freeze."""
    from grid.engine.problem.material import Material
    from grid.engine.values.phase_change import Enthalpy, HeatCapacity

    law = Enthalpy.melting(0.5, 1.0, 1.0, 1.0)
    material = Material((Constant(1.0),), volumetric_heat_capacity=HeatCapacity(law), enthalpy=law)
    _solve(replace(_box((6, 6), Constant(1.0), 0.01), materials=(material,)), "implicit")


def _run_live() -> None:
    """A tick of a plate by each method of live runs, without and with a source, and of a plate of two materials."""
    from grid.engine.live.explicit_tick import ExplicitTick
    from grid.engine.live.implicit_tick import ImplicitTick
    from grid.engine.live.rkl2_tick import Rkl2Tick
    from grid.engine.live.stepping import TickStepper
    from grid.engine.space.discretise import discretise

    kinds: tuple[tuple[Value, Value], ...] = (
        (Constant(1.0), Constant(0.0)), (Constant(1.0), Constant(1.0)), (Expression("1 + x"), Constant(1.0))
    )  # fmt: skip
    for conductivity, source in kinds:
        space = discretise(replace(_box((6, 6), conductivity, 1.0), source_term=source))
        steppers: list[TickStepper] = [Rkl2Tick(space, 1e-3, 1e3)]
        if isinstance(conductivity, Constant):
            steppers.append(ExplicitTick(space, 2))
        for stepper in steppers:
            start = stepper.wrap(space.initial_temperature())
            stepper.advance(start, space.loads(0.0), 1e-3)
    box = _box((16, 16), Constant(1.0), 1.0)
    for problem in (box, replace(box, velocity=(0.1, 0.1))):
        space = discretise(problem)
        implicit = ImplicitTick(space, 1e-3)
        implicit.advance(implicit.wrap(space.initial_temperature()), space.loads(0.0), 1e-3)
