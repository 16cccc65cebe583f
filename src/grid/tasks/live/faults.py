"""What has gone wrong with a run that a worker holds, or what its time has come for: looked at four times a second."""

from typing import Literal

from grid.runtime.processes import find_cpu_seconds
from grid.tasks.live.run import HeldRun

MARGIN_S = 2.0  # [s] before the end of a lease at which its holder gives up
START_LIMIT_S = 300.0  # [s] for the first look: on a cold machine kernels are compiled
PARK_AFTER_S = 600.0  # [s] a paused run then gives its process back

Fault = Literal["fenced", "start_timeout", "frozen", "oom", "rests"]


def find_fault(run: HeldRun, now: float, lease_s: float) -> Fault | None:
    """Return what is past its time about a run.

    A run without a first look for too long is `frozen` where it had one before: its process is, not its scene.

    Args:
        run: Whose child has not said its last word.
        now: Monotonic time [s].
        lease_s: Life of a claim without a heartbeat [s].
    """
    if now > run.lease_ok_at + lease_s - MARGIN_S:
        return "fenced"
    if not run.is_started and now - run.started_at > START_LIMIT_S:
        return "start_timeout" if run.claimed.run.started_at is None else "frozen"
    if run.child is not None and run.is_ready and run.child.is_over_memory():
        return "oom"
    if is_frozen(run, now):
        return "frozen"
    if run.is_paused and run.is_caught_up and not run.is_parking and now - run.paused_at > PARK_AFTER_S:
        return "rests"
    return None


def is_frozen(run: HeldRun, now: float) -> bool:
    """Tell whether the child of a run neither ticks, nor answers, nor computes."""
    if run.child is None or not run.is_started or run.proposed:
        return False
    is_silent = not (run.is_paused and run.is_caught_up) and now - run.heard_at > run.frozen_s()
    if not is_silent and (run.asked_at is None or now - run.asked_at <= run.frozen_s()):
        run.quiet = None
        return False
    return not run.computes(now, find_cpu_seconds(run.child.pid))
