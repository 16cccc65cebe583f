"""Compensated sums, in which a million heats of ticks lose nothing that an audit could see."""

from typing import NamedTuple


class CompensatedSum(NamedTuple):
    """A running sum and what its additions have rounded off (A. Neumaier, Z. Angew. Math. Mech. 54, 1974)."""

    total: float = 0.0
    lost: float = 0.0

    def add(self, value: float) -> "CompensatedSum":
        """The sum with a value added."""
        total = self.total + value
        larger, smaller = (self.total, value) if abs(self.total) >= abs(value) else (value, self.total)
        return CompensatedSum(total, self.lost + ((larger - total) + smaller))

    @property
    def value(self) -> float:
        """The sum, rounded once."""
        return self.total + self.lost


class LiveHeat(NamedTuple):
    """Heat moved since the start of a run [J per unit of section], as the scheme applied it."""

    boundary_in: CompensatedSum = CompensatedSum()
    boundary_out: CompensatedSum = CompensatedSum()
    generated: CompensatedSum = CompensatedSum()
    generated_absolute: CompensatedSum = CompensatedSum()

    def add(self, boundary_in: float, boundary_out: float, generated: float) -> "LiveHeat":
        """The heat with that of a tick added."""
        return LiveHeat(
            self.boundary_in.add(boundary_in),
            self.boundary_out.add(boundary_out),
            self.generated.add(generated),
            self.generated_absolute.add(abs(generated)),
        )

    @property
    def net(self) -> float:
        """Net heat into the body [J]."""
        gained = self.boundary_in.add(-self.boundary_out.total).add(-self.boundary_out.lost)
        return gained.add(self.generated.total).add(self.generated.lost).value

    @property
    def moved(self) -> float:
        """The largest of heat in, heat out and heat of sources: the scale of a balance [J]."""
        return max(self.boundary_in.value, self.boundary_out.value, self.generated_absolute.value)

    def pack(self) -> tuple[float, ...]:
        """The eight numbers of the sums."""
        return tuple(number for part in self for number in part)

    @classmethod
    def unpack(cls, numbers: tuple[float, ...]) -> "LiveHeat":
        """The sums of packed numbers."""
        return cls(*(CompensatedSum(*numbers[2 * index : 2 * index + 2]) for index in range(4)))
