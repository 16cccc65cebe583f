"""The problems in the engine's words."""

import numpy as np

from benchmarks.engine import problems, radiating
from benchmarks.engine.problems import FloatArray
from grid.engine import Constant, Domain, Expression, Gridded, HeatProblem, Material, Temperature
from grid.engine.problem.boundaries import Radiation

ONE, ZERO = Constant(1.0), Constant(0.0)


def stiff(cells: int = problems.STIFF_CELLS, dimension: int = 2) -> HeatProblem:
    """P3, its conductivity given cell by cell."""
    hot, cold = problems.HELD
    return HeatProblem(
        domain=Domain((1.0,) * dimension, (cells,) * dimension),
        materials=(Material((Gridded(problems.stiff_conductivity(cells, dimension)),), ONE),),
        initial=ZERO,
        boundaries={"x_min": Temperature(Constant(hot)), "x_max": Temperature(Constant(cold))},
        end_time=problems.STIFF_TIME,
    )


def box() -> HeatProblem:
    """P4, its start given cell by cell."""
    return HeatProblem(
        domain=Domain((1.0, 1.0), (problems.BOX_CELLS,) * 2),
        materials=(Material((ONE,), ONE),),
        initial=Gridded(problems.box_start()),
        boundaries={"x_min": Temperature(ZERO), "x_max": Temperature(ZERO)},
        end_time=problems.BOX_TIME,
    )


def inclusions(cells: int) -> str:
    """Where P3's inclusions are, as an expression: some p x + q y + r exceeds x^2 + y^2.

    Raises:
        ValueError: The digits are too few for a centre of these cells.
    """
    random = np.random.default_rng(12345)
    (x, y), radii = random.random((2, 60)), 0.02 + 0.05 * random.random(60)
    terms = [f"{2 * a:.13g}*x+{2 * b:.13g}*y{r * r - a * a - b * b:+.13g}" for a, b, r in zip(x, y, radii, strict=True)]
    while len(terms) > 1:
        pairs = zip(terms[::2], [*terms[1::2], ""], strict=False)
        terms = [f"maximum({one},{other})" if other else one for one, other in pairs]
    text = f"{terms[0]} > x*x+y*y"
    line = (np.arange(cells) + 0.5) / cells
    found = Expression(text).evaluate({"x": line[:, None], "y": line[None, :]})
    if not np.array_equal(found, problems.stiff_conductivity(cells) < 1.0):
        raise ValueError("the expression of the inclusions misses a cell")
    return text


def radiating_plate() -> HeatProblem:
    """P3N: two regions, each with its law of temperature.

    Cells count by their centres, as in the equations that the peers are given; by itself the engine mixes what a border
    cuts, which is another body (3 % in the field).
    """
    inside = inclusions(radiating.CELLS)
    law = f"(1 + (T - {radiating.COLD:g})/{radiating.COLD:g})"
    cold = Constant(radiating.COLD)
    problem = HeatProblem(
        domain=Domain((1.0, 1.0), (radiating.CELLS,) * 2),
        materials=(
            Material((Expression(law),), ONE, where=Expression(inside.replace(">", "<="))),
            Material((Expression(f"0.001*{law}"),), ONE, where=Expression(inside)),
        ),
        initial=cold,
        boundaries={
            "x_min": Radiation(Constant(radiating.EMISSIVITY), Constant(radiating.HOT)),
            "x_max": Temperature(cold),
        },
        end_time=radiating.TIME,
        temperature_unit="K",
    )
    vars(problem)["cuts"] = None  # known before it is sought
    return problem


def rise(field: FloatArray) -> FloatArray:
    """P3N's field in the unit of its reference."""
    return (field - radiating.COLD) / radiating.COLD
