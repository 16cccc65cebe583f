"""Sources that are constant within each cell, recognised by their text."""

from grid.engine.problem.domain import AXES, Domain
from grid.engine.values.parser import COMPARISONS, FUNCTION_ARITY
from grid.engine.values.planes import Code, find_start, find_zeros, take_apart

# [-] cells: distance from a face within which a plane lies on it, as where a text has nine digits of a coordinate; the
# share of a cell's heat that this moves is no more than what the means over cut cells leave out
ON_FACE = 1e-6
SAME = 1e-9  # [-] cells: distance of two planes that mean the same


def is_even_in_cells(code: Code, domain: Domain) -> bool:
    """Tell whether an expression is constant within each cell at any time, as it depends on place by switches alone.

    That is so where each comparison of a coordinate switches on planes across its axis that lie on faces of the grid,
    and coordinates occur nowhere else. Two planes beside one face that are not the same enclose a layer, so that they
    do not count as on it. Only the code is examined, no cell; an expression in T is not even.
    """
    uneven: list[bool] = []
    planes: dict[tuple[int, int], float] = {}  # distance from each face, by axis and number
    for place, (operation, argument) in enumerate(code):
        if operation in ("constant", "variable"):
            uneven.append(operation == "variable" and argument != "t")
        elif operation != "negate":
            count = 2 if operation == "binary" else FUNCTION_ARITY[str(argument)]
            is_uneven = any(uneven[-count:])
            del uneven[-count:]
            if is_uneven and operation == "binary" and argument in COMPARISONS:
                if argument in ("==", "!=") or not _switches_on_faces(code, place, domain, planes):
                    return False  # a comparison around it is taken apart without the conditions within
                is_uneven = False
            uneven.append(is_uneven)
    return not uneven[-1]


def _switches_on_faces(code: Code, place: int, domain: Domain, planes: dict[tuple[int, int], float]) -> bool:
    """Tell whether the comparison at a place of a code switches on planes of faces alone; notes them in `planes`."""
    right = find_start(code, place - 1)
    for part in take_apart(code[find_start(code, right - 1) : right], code[right:place]):
        names = {str(name) for kind, name in part if kind == "variable"}
        if len(names) > 1 or not names <= set(AXES):
            return False
        for name in names:
            axis = AXES.index(name)
            low, spacing = domain.origin[axis], domain.spacing[axis]
            zeros = find_zeros(part, name, low, low + domain.size[axis])
            if zeros is None:
                return False
            for local in _count(zeros, low, spacing):
                off = local - round(local)
                if abs(off) > ON_FACE or abs(planes.setdefault((axis, round(local)), off) - off) > SAME:
                    return False
    return True


def _count(positions: tuple[float, ...], low: float, spacing: float) -> list[float]:
    """Positions in cells."""
    return [(position - low) / spacing for position in positions]
