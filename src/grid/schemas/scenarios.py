"""The scenario protocol: a scene with its events, its alert rules, and the course that it is expected to take.

A plugin returns such objects from the hook `grid_scenarios` (`grid.plugins.hooks`). Everything here is light: it
imports no NumPy, and what a scenario returns is JSON that the engine reads with the same checks as a user's
(`Scene.from_json`, `Session.apply`, `Rule.from_json`), so a scenario can ask for nothing that its user may not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from grid.core.errors import FieldError

Json = dict[str, Any]
Measure = Literal["value", "average", "first_time", "decay_rate"]
Comparison = Literal["within", "at_least", "at_most"]

LEAST_CELLS, MOST_CELLS = 64, 1_048_576  # [-] cells of a live run


@dataclass(frozen=True)
class Timing:
    """Pace of a show.

    Args:
        tick_s: Simulated time of a tick [s].
        rate: Ticks in a second of wall time at speed 1.
        length_s: Simulated time after which everything that the scenario shows has happened [s].
    """

    tick_s: float
    rate: float
    length_s: float

    @property
    def ticks(self) -> int:
        """Ticks of the show."""
        return math.ceil(self.length_s / self.tick_s * (1.0 - 1e-12))


@dataclass(frozen=True)
class Expectation:
    """One number of the expected course, with the equation that it follows from.

    Args:
        quantity: A field of a tick's summary (`mean`, `highest`, `damage`, `model`, ...); `temperature` at `at`; or
            `firing`, the names of the rules that fire.
        time_s: Simulated time; a time between ticks means the first tick boundary after it [s].
        value: What it is there, in the unit of the quantity; a text for `model`.
        tolerance: Allowed difference, in the same unit.
        source: The equation, and where it stands.
        measure: `value` at `time_s`; `average` from `from_s` to `time_s`; `first_time` [s] at which the quantity
            reaches `level` (or the rule named `level` fires), which is looked for up to `time_s`; `decay_rate` [1/s]
            with which the quantity approaches `level` between `from_s` and `time_s`.
        from_s: Beginning of that span [s].
        level: A number, or the name of a rule.
        at: Place of a temperature [m].
        compare: `within` the tolerance; `at_least` or `at_most`, less or more than the value by the tolerance.
    """

    quantity: str
    time_s: float
    value: float | str
    tolerance: float
    source: str
    measure: Measure = "value"
    from_s: float = 0.0
    level: float | str | None = None
    at: tuple[float, ...] = ()
    compare: Comparison = "within"

    def is_met(self, found: float | str | None) -> bool:
        """Tell whether a number, or a text, is what was expected."""
        if isinstance(self.value, str) or isinstance(found, str) or found is None:
            return found == self.value
        difference = found - self.value
        limits = {"within": abs(difference), "at_least": -difference, "at_most": difference}
        return limits[self.compare] <= self.tolerance


class Scenario(Protocol):
    """A built-in scenario, or one that a plugin brings."""

    name: str  # as in `grid engine start burst`
    title: str  # one line for lists
    description: str  # the physics in three sentences, and the source
    params_model: type[BaseModel]  # strict, bounded, with units and defaults, as that of a simulation
    axes: tuple[int, ...]  # how many numbers of cells it takes: 1, 2 or 3
    cells: tuple[int, ...]  # the default grid, along the axes that a user may refine

    def scene(self, params: BaseModel, cells: tuple[int, ...]) -> Json:
        """The body with what acts on it all the time, as `Scene.from_json` reads it.

        Args:
            params: Of `params_model`.
            cells: Along each axis that a user may refine; an axis of one cell, as the thickness of a plate, is not
                among them.

        Raises:
            FieldError: The scenario has no such grid (`require_cells`).
        """
        ...

    def timing(self, params: BaseModel) -> Timing:
        """Tick, pace and length of the show."""
        ...

    def events(self, params: BaseModel) -> Sequence[Json]:
        """The first commands of the log: `{"event": {...}, "at_s": ...}` each, in order."""
        ...

    def rules(self, params: BaseModel) -> Sequence[Json]:
        """Alert rules, as `Rule.from_json` reads them."""
        ...

    def expected(self, params: BaseModel) -> Sequence[Expectation]:
        """What happens, by closed forms; empty where the parameters leave their range."""
        ...


def require_cells(scenario: Scenario, cells: tuple[int, ...], multiple: int = 1) -> None:
    """Refuse a grid that a scenario does not have.

    Args:
        scenario: With the numbers of axes that it has.
        cells: Along each axis.
        multiple: Of what each number has to be a multiple.

    Raises:
        FieldError: Names what is allowed.
    """
    if len(cells) not in scenario.axes:
        raise FieldError("cells", f"{' or '.join(map(str, scenario.axes))} whole numbers for {scenario.name}")
    for index, count in enumerate(cells):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1 or count % multiple:
            limit = "a whole number of 1 or more" if multiple == 1 else f"a whole multiple of {multiple}"
            raise FieldError(f"cells[{index}]", limit)
    if not LEAST_CELLS <= math.prod(cells) <= MOST_CELLS:
        raise FieldError("cells", f"{LEAST_CELLS} to {MOST_CELLS} cells in all")
