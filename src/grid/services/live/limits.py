"""Limits of live runs, and the share of a core that a run takes."""

import math
from dataclasses import dataclass
from typing import Final

from grid.core.errors import AdmissionError, ConflictError, TooManyRequestsError

ROUNDING: Final = 1.0 + 1e-9  # what a product of a rate and a price may be off by, and more
UNPACED_SHARE: Final = 0.25  # cores that a run without a pace is counted for: it takes what is left


@dataclass(frozen=True)
class LiveLimits:
    """Largest numbers; what happens beyond them is said where they are asked.

    Args:
        runs_of_owner: Runs of one owner that have not ended.
        waiting_runs: Runs of all owners that wait for a worker.
        branches: Of one run that have not ended; an owner may have so many runs more where they are branches.
        cores: Of one run at the rate that is asked for.
        memory_bytes: Of one run.
        commands: Of one run, in all.
        commands_per_s: Of one run, in the long term.
        command_burst: Of one run at once.
        open_events: Events of one run that have not taken effect.
        payload_bytes: Of one command.
        ticks_ahead: Between a run and a command that is scheduled for a time.
        step_ticks: Of one command `step`.
        rules: Of one command `rules`.
        events: Of one run; then only those of `services.live.events.ALWAYS_STORED`.
        snapshot_bytes: Of all runs of one owner.
    """

    runs_of_owner: int = 2
    waiting_runs: int = 5
    branches: int = 4
    cores: float = 0.7
    memory_bytes: int = 2 * 1024**3
    commands: int = 10_000
    commands_per_s: float = 50.0
    command_burst: int = 100
    open_events: int = 64
    payload_bytes: int = 16 * 1024
    ticks_ahead: int = 1_000_000
    step_ticks: int = 10_000
    rules: int = 50
    events: int = 100_000
    snapshot_bytes: int = 2 * 1024**3


class TooManyRunsError(TooManyRequestsError):
    """The owner has as many live runs as one may have, or as many wait as may wait."""

    code, title = "too-many-runs", "There are too many live runs"


class RunTooDearError(AdmissionError):
    """A tick costs more than there is time for."""

    code, title = "run-too-dear", "A tick of the run costs more than there is time for"

    def __init__(self, cores: float, limit: float, largest_rate: float) -> None:
        super().__init__("processor", cores, limit, "cores")
        self.args = (cores, limit, largest_rate)
        self.largest_rate = largest_rate

    def __str__(self) -> str:
        return (
            f"The run needs {self.estimate:.3g} cores of {self.limit:.3g} at this rate and speed; "
            f"at most {self.largest_rate:.6g} ticks a second fit."
        )


class CommandLimitError(ConflictError):
    """The run has had as many commands as one may have."""

    code, title = "too-many-commands", "The run takes no further commands"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(what, limit)
        self.what, self.limit = what, limit

    def __str__(self) -> str:
        return f"A run may have {self.limit} {self.what}."


def compute_share(price_s: float, rate: float, speed: float | None) -> float:
    """Return the cores that a run takes.

    Args:
        price_s: Processor time of a tick [s].
        rate: Ticks a second of wall time at speed 1.
        speed: Factor on it; None: as fast as can be.
    """
    return UNPACED_SHARE if speed is None else price_s * rate * speed


def require_affordable(price_s: float, rate: float, speed: float | None, limits: LiveLimits) -> float:
    """Return the cores that a run takes.

    Raises:
        RunTooDearError: They are more than one run may take; it names the largest rate that fits.
    """
    share = compute_share(price_s, rate, speed)
    if share > limits.cores * ROUNDING:
        raise RunTooDearError(share, limits.cores, find_largest_rate(price_s, limits))
    return share


def find_largest_rate(price_s: float, limits: LiveLimits) -> float:
    """Return the most ticks a second that fit, in thousandths: what is said can be asked for."""
    return math.floor(1000.0 * ROUNDING * limits.cores / price_s) / 1000.0
