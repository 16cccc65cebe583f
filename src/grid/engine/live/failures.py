"""What has failed or begun to yield at a tick, for events of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.engine.live.integrity import REASONS, StructureLook

MOST_FAILURES = 20  # [-] cells of a tick that are named when they fail


@dataclass(frozen=True)
class Failure:
    """Something that failed or began to yield at the end of a tick.

    Args:
        kind: `failed-cell`, `failed-region` or `yield`.
        name: Cell or region.
        payload: As JSON.
        tick: Number of the tick that begins then.
    """

    kind: str
    name: str
    payload: dict[str, Any]
    tick: int


def list_failures(
    seen: StructureLook, tick: int, shape: tuple[int, ...], regions: Sequence[str], *, has_yielded: bool
) -> list[Failure]:
    """What a look at the structure found: some cells by name and the others by their number, regions, the first yield.

    Args:
        seen: The look.
        tick: Number of the tick that begins then.
        shape: Cells along each axis.
        regions: Names of the regions.
        has_yielded: Whether a cell was above its yield stress before.
    """

    def place(cell: int) -> list[int]:
        return [int(part) for part in np.unravel_index(cell, shape)]

    cells = list(zip(seen.new_failures.tolist(), seen.reasons.tolist(), strict=True))
    found = [
        Failure("failed-cell", str(cell), {"cell": place(cell), "reason": REASONS[reason]}, tick)
        for cell, reason in cells[:MOST_FAILURES]
    ]
    if len(cells) > MOST_FAILURES:
        found.append(Failure("failed-cell", "others", {"cells": len(cells) - MOST_FAILURES}, tick))
    names = [regions[number] for number in seen.new_regions]
    found += [Failure("failed-region", name, {"region": name, "shed_w": seen.shed}, tick) for name in names]
    if seen.yielding_cells and not has_yielded:
        payload = {"cell": place(seen.weakest), "utilisation": seen.utilisation}
        found.append(Failure("yield", "first", payload, tick))
    return found
