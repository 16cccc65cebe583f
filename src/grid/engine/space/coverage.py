"""Volume of a body and of its regions that the grid misses, and regions that are thinner than a cell."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from grid.engine.problem.domain import AXES
from grid.engine.problem.fields import ProblemFields
from grid.engine.space.cuts import Cuts, Region, find_cuts
from grid.engine.space.fields import SpaceFields
from grid.engine.space.mesh import open_coordinates
from grid.engine.space.regions import find_regions, material_cuts, share_cuts

NOTABLE = 0.02  # [-] share of a volume that the grid may miss without a warning
MOST_THIN = 8  # [-] most regions that a warning names


@dataclass(frozen=True)
class Coverage:
    """Volumes that a grid misses of the geometry of its problem.

    Args:
        missed: Relative difference of volume between the cells and the geometry, by the path of the field.
        thin: Regions that are nowhere as thick as a cell: path, axis and thickness [m].
        displaced: Share of the volume that lies elsewhere on the grid, by the path of the field, where cells belong to
            one region by their centres; it may be there while nothing is missed.
    """

    missed: dict[str, float]
    thin: tuple[tuple[str, str, float], ...] = ()
    displaced: dict[str, float] = field(default_factory=dict)

    @property
    def volume_missed(self) -> float:
        """Largest of the relative differences."""
        return max(self.missed.values(), default=0.0)

    @property
    def volume_astray(self) -> float:
        """Largest share of a volume that is missed or lies elsewhere."""
        return max(self.volume_missed, *self.displaced.values(), 0.0)


def find_coverage(problem: ProblemFields) -> Coverage | None:
    """Find the volumes that the grid misses; None for a box of one material, of which it misses nothing."""
    return problem.once(_find_coverage)


def share_coverage(known: ProblemFields, problem: ProblemFields) -> None:
    """Give a problem the cells that borders cut, and the coverage, of one with the same domain and materials."""
    share_cuts(known, problem)
    problem.take(known, _find_coverage)


def _find_coverage(problem: ProblemFields) -> Coverage | None:
    if problem.domain.active is None and len(problem.materials) < 2:
        return None
    missed: dict[str, float] = {}
    displaced: dict[str, float] = {}
    if problem.domain.active is not None:
        missed["domain.active"], displaced["domain.active"] = _find_missed_body(problem)
    if len(problem.materials) < 2:
        return Coverage(missed, displaced=displaced)
    if (cuts := material_cuts(problem)) is not None:  # every cell has its share of each material
        missed |= {f"material[{index}].where": 0.0 for index in range(len(problem.materials))}
        return Coverage(missed, tuple(_find_thin(problem, cuts)), displaced)
    found = _find_missed_regions(problem)
    missed |= {path: lost for path, (lost, _) in found.items()}
    return Coverage(missed, displaced=displaced | {path: astray for path, (_, astray) in found.items()})


def _find_missed_body(problem: ProblemFields) -> tuple[float, float]:
    """Relative difference of the volume of the body, and the share of it that lies elsewhere."""
    mask = problem.domain.active
    if mask is None or (cuts := find_cuts(problem.domain, [mask], "domain.active", axes=1)) is None:
        return 0.0, 0.0
    inside = np.broadcast_to(mask.evaluate(open_coordinates(problem.domain)), problem.domain.cells)
    return _weigh(cuts, np.where(inside, 0, -1).astype(np.int16), 0)


def _find_missed_regions(problem: ProblemFields) -> dict[str, tuple[float, float]]:
    """The same for regions whose cells are assigned by their centres."""
    truths = [material.where for material in problem.materials if material.where is not None]
    paths = [f"material[{index}].where" for index in range(len(truths))]
    if not (problem.has_phase_change or problem.coupled_axes):
        return dict.fromkeys(paths, (0.0, 0.0))  # nothing is cut, or it would be mixed
    cuts, region = find_cuts(problem.domain, truths, "material", lambda: find_regions(problem)), find_regions(problem)
    if cuts is None or region is None:
        return dict.fromkeys(paths, (0.0, 0.0))
    return {path: _weigh(cuts, region, index) for index, path in enumerate(paths)}


def _weigh(cuts: Cuts, region: Region, number: int) -> tuple[float, float]:
    """Relative difference of the volume of a region, and the share of it that lies elsewhere."""
    right = cuts.volume(region, number)
    displaced = cuts.displaced(region, number)
    return _compare(float(np.count_nonzero(region == number)), right), _compare(right + displaced, right)


def _compare(cells: float, right: float) -> float:
    return abs(cells - right) / right if right > 0.0 else float(cells > 0.0)


def _find_thin(problem: ProblemFields, cuts: Cuts) -> Iterable[tuple[str, str, float]]:
    """Find regions that are thinner than a cell along an axis in every cell that has some of them."""
    region = find_regions(problem)
    if region is None:
        return
    for number, material in enumerate(cuts.present):
        for axis, along in enumerate(cuts.columns):
            line = (region == material).astype(np.float64)
            share = np.where(along.weight > 0.0, 0.5 * along.share[..., number].sum(axis=2), 0.0).max(axis=1)
            line.reshape(-1)[cuts.cells] = share
            total = line.copy()  # sum over a cell and its two neighbours, in which a thin layer ends
            after, before = (slice(None),) * axis + (slice(1, None),), (slice(None),) * axis + (slice(None, -1),)
            total[after] += line[before]
            total[before] += line[after]
            thickest = float(total[line > 0.0].max(initial=0.0))
            if 0.0 < thickest < 1.0 - 1e-6:
                yield f"material[{material}].where", AXES[axis], thickest * problem.domain.spacing[axis]


def warn_of_coverage(space: SpaceFields) -> Iterable[str]:
    """Warn of volumes that the grid misses, and of regions that are thinner than a cell."""
    coverage, problem = find_coverage(space.problem), space.problem
    if coverage is None:
        return
    for path, share in coverage.missed.items():
        if share > NOTABLE:
            reason = "cells belong to the body by their centres" if path == "domain.active" else (
                "cells are of the material at their centres where one melts or a conductivity is a full tensor"
            )  # fmt: skip
            yield f"{path}: its volume on the grid differs by {100 * share:.3g} % from its own; {reason}; refine it"
    for path, axis, thickness in coverage.thin[:MOST_THIN]:
        spacing = problem.domain.spacing[AXES.index(axis)]
        yield (
            f"{path}: {thickness:.3g} m thick along {axis}, less than a cell of {spacing:.3g} m; its cells are mixed "
            "with what is beside it, and temperatures within it are not resolved"
        )
