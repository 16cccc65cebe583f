"""Simpler physics of runs that cannot keep their pace: what a run's policy allows, and what it is to compute now.

A rung of the ladder `physics` says that a run is overloaded for too long; what the run then leaves out is a command
`mode` of Grid's own, at a tick, as every change of physics is. It goes one step at a time: the stress by potential is
left out first, the field last, and only what the policy allows and the engine has not refused lately. All of it
follows from rows, so that a server which begins anew decides the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from grid.database.live_commands import LiveCommandRecord
from grid.schemas.live import OverloadPolicy

Physics = Literal["full", "no-stress", "lumped"]
PHYSICS: Final[tuple[Physics, ...]] = ("full", "no-stress", "lumped")
STEPS: Final[Mapping[OverloadPolicy, tuple[Physics, ...]]] = {
    "slip": (),
    "no-stress": ("no-stress",),
    "lumped": ("no-stress", "lumped"),
}
REFUSED_FOR: Final = timedelta(minutes=10)  # a step that the engine has refused is not tried again before
DEEPER_AFTER: Final = timedelta(seconds=10)  # of overload in spite of a step, before the next one


@dataclass(frozen=True)
class AskedPhysics:
    """What a run was asked to compute.

    Args:
        physics: By the last command that was not refused.
        since: When that took effect; None: it has not yet, or nothing was ever asked.
        is_pending: Whether it waits for its tick.
        refused: When each step was refused last.
        count: Commands so far.
    """

    physics: Physics = "full"
    since: datetime | None = None
    is_pending: bool = False
    refused: Mapping[Physics, datetime] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, commands: Sequence[LiveCommandRecord]) -> "AskedPhysics":
        """What the commands `mode` of a run say, in the order of their numbers."""
        physics: Physics = "full"
        since, is_pending, refused = None, False, dict[Physics, datetime]()
        for command in commands:
            word = next((name for name in PHYSICS if name == command.payload.get("physics")), None)
            if word is None:
                continue
            if command.outcome == "refused":
                refused[word] = command.applied_at or command.created_at
            else:
                physics, since, is_pending = word, command.applied_at, command.outcome is None
        return cls(physics, since, is_pending, refused, len(commands))

    def list_steps(self, policy: OverloadPolicy, now: datetime) -> tuple[Physics, ...]:
        """Return what the run may leave out now, the least first."""
        return tuple(
            step
            for step in STEPS[policy]
            if (at := self.refused.get(step)) is None or now - at >= REFUSED_FOR
        )  # fmt: skip


def choose_physics(
    asked: AskedPhysics, policy: OverloadPolicy, now: datetime, *, is_simpler: bool, low_since: datetime | None
) -> Physics:
    """Return what a run is to compute.

    Args:
        asked: What it was asked for so far.
        policy: Of the run.
        now: The moment, by the database's clock.
        is_simpler: Whether the rung `simpler` is in force.
        low_since: Since when the run has been overloaded without a break; None: it is not.
    """
    if not is_simpler:
        return "full"
    deeper = [step for step in asked.list_steps(policy, now) if PHYSICS.index(step) > PHYSICS.index(asked.physics)]
    if asked.is_pending or not deeper:
        return asked.physics
    if asked.physics == "full":
        return deeper[0]
    if low_since is None or now - max(low_since, asked.since or low_since) < DEEPER_AFTER:
        return asked.physics
    return deeper[0]
