"""Coefficients and loads at snapshots of a run, found when they are requested."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, overload

from grid.engine.space.laws import Loads
from grid.engine.space.nonlinear import freeze
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Item = TypeVar("Item")


@dataclass
class Snapshots:
    """Fields and times, with the coefficients and loads found at each.

    Args:
        space: The discretised problem.
    """

    space: Space
    _places: list[tuple[FloatArray, float]] = field(default_factory=list, repr=False)
    _known: dict[int, tuple[Space, Loads]] = field(default_factory=dict, repr=False)

    def add(self, temperature: FloatArray, time: float) -> None:
        """One more snapshot: a flat field and the time at which coefficients and loads are taken [s]."""
        self._places.append((temperature, time))

    def __len__(self) -> int:
        return len(self._places)

    def find_space(self, index: int) -> Space:
        """The space with its coefficients at a snapshot."""
        return self.space if self.space.problem.is_linear else self.find(index)[0]

    def find_loads(self, index: int) -> Loads:
        """The loads at a snapshot."""
        return self.find(index)[1]

    def find(self, index: int) -> tuple[Space, Loads]:
        """Both.

        Raises:
            NotConvergedError: A surface temperature is not found.
            FieldError: A coefficient is not physical there.
        """
        index = range(len(self))[index]
        if index not in self._known:
            self._known[index] = freeze(self.space, *self._places[index])
        return self._known[index]


@dataclass(frozen=True)
class Kept(Sequence[Item], Generic[Item]):
    """Sequence of one item for each snapshot.

    Args:
        snapshots: May grow.
        ask: Function that returns the item of an index.
    """

    snapshots: Snapshots
    ask: Callable[[int], Item]

    def __len__(self) -> int:
        return len(self.snapshots)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        if isinstance(index, slice):
            return tuple(self.ask(at) for at in range(*index.indices(len(self))))
        return self.ask(range(len(self))[index])  # raises IndexError at the end, where an iteration ends
