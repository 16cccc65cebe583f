r"""Bounds of a steady field that follow from its data alone, independent of the solver.

Where conduction is symmetric, the field is the superposition of what the given temperatures and each cell's heat
make of it. The former lie between those temperatures. Heat :math:`q_j` put into cell j warms cell i by
:math:`R_{ij} q_j`, with :math:`R_{ij} \le R_{ii}` (the cell that takes up heat is the warmest) and :math:`R_{ii}` at
most the resistance of any path from i to a given temperature, since to cut all other paths never lowers it (Rayleigh;
P. G. Doyle, J. L. Snell, Random Walks and Electric Networks, 1984, section 4.1).
"""

import numpy as np

from grid.engine.methods.state import Bounds
from grid.engine.results.audits import Audit
from grid.engine.space.laws import Loads
from grid.engine.space.mesh import after_first, before_last, first, inner, last
from grid.engine.space.nonlinear import find_variation
from grid.engine.space.space import Space
from grid.engine.steady.parts import make_part
from grid.engine.values.operations import FloatArray

MOST_CELLS = 50_000  # [-] cells up to which bounds are computed; beyond them the paths cost too much
SLACK = 1e-6  # [-] excess over the bound: rounding of as many summands as there are cells
NAME = "data_bounds"


def audit_bounds(space: Space, loads: Loads, temperature: FloatArray, references: Bounds) -> Audit:
    """The field lies within what its references, its heat and the best path from each extreme to a reference allow."""
    reason = _find_reason(space, references)
    if reason is not None:
        return Audit(NAME, "not_applicable", None, None, reason)
    inside = np.ones(temperature.size, bool) if space.active is None else space.active
    warming, cooling = _find_heat(space, loads, inside)
    rounding = 1e-12 * max(abs(references.lowest), abs(references.highest))
    excess = 0.0
    for sign, heat, limit in ((1.0, warming, references.highest), (-1.0, cooling, -references.lowest)):
        field = np.where(inside, sign * temperature, -np.inf)
        worst = int(field.argmax())
        beyond = float(field[worst]) - limit - rounding
        if beyond > 0.0:
            allowed = heat * _find_path(space, loads, worst)
            excess = max(excess, beyond / allowed if allowed > 0.0 else np.inf)
    value = min(excess, 1e300)
    detail = "rise over the temperatures given, over the most that the heat and the best path to them allow"
    return Audit(NAME, "passed" if value <= 1.0 + SLACK else "failed", value, 1.0 + SLACK, detail)


def _find_reason(space: Space, references: Bounds) -> str | None:
    """Give the reason why nothing bounds the field."""
    if not space.problem.is_linear or find_variation(space).loads_of_temperature:
        return "a coefficient or a load depends on temperature"
    if space.problem.has_flow or space.couplings:
        return "a flow or a full tensor is not a network of resistances"
    if references.lowest > references.highest or space.problem.pins:
        return "no temperature is given, or a pin gives one"
    return f"more than {MOST_CELLS} cells" if space.capacity.size > MOST_CELLS else None


def _find_heat(space: Space, loads: Loads, inside: np.ndarray) -> tuple[float, float]:
    """All heat that is put in, and all that is taken out, by sources and given fluxes [W]."""
    part = make_part(space, loads, np.flatnonzero(inside))
    return 0.5 * (part.moved + part.heat), 0.5 * (part.moved - part.heat)


def _find_path(space: Space, loads: Loads, cell: int) -> float:
    """Least resistance of a path from a cell to a known temperature [K/W]."""
    from scipy import sparse
    from scipy.sparse import csgraph

    count = space.capacity.size
    index = np.arange(count).reshape(space.shape)
    rows, columns, values = [], [], []
    for axis, conductance in enumerate(space.conductances):
        pairs = [(index[before_last(axis)], index[after_first(axis)], conductance[inner(axis)])]
        if space.problem.is_periodic[axis]:
            pairs.append((index[last(axis)], index[first(axis)], conductance[first(axis)]))
        for one, other, g in pairs:
            rows.append(one.ravel())
            columns.append(other.ravel())
            values.append(g.ravel())
    ground = np.zeros(count)
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        ground[patch.cells] += np.broadcast_to(face_law.transmittance, patch.cells.shape) * patch.area
    rows.append(np.arange(count))
    columns.append(np.full(count, count))
    values.append(ground)
    g = np.concatenate(values)
    joined = g > 0.0
    ends = np.concatenate(rows)[joined], np.concatenate(columns)[joined]
    graph = sparse.coo_matrix((1.0 / g[joined], ends), shape=(count + 1, count + 1))
    return float(csgraph.dijkstra(graph.tocsr(), directed=False, indices=cell)[count])
