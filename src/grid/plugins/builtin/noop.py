"""`noop`: does nothing on purpose, takes a known time, and fails in every way a simulation can.

For measuring the service and for trying its faults: the cost of a job without a solver in it.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pydantic import BaseModel, Field

from grid.plugins.builtin.guides import NOOP
from grid.plugins.builtin.parameters import Parameters, Whole, quantity
from grid.plugins.builtin.writing import write_json
from grid.plugins.numerics import numerics_version
from grid.schemas.jobs import Reason
from grid.schemas.results import ResultsGuide
from grid.schemas.simulations import BatchResult, Estimate, PointOutcome, Progress

if TYPE_CHECKING:
    import numpy as np

_NAP_S = 0.05  # between two looks at what is left out
_PAGE = 4096  # [B] of memory that one touched byte takes


class NoopParams(Parameters):
    """Parameters of `noop`."""

    duration_s: float = quantity(0.0, unit="s", low=0.0, high=60.0, title="Duration", description="Time to sleep")
    fail: Literal["no", "raise", "diverge", "exit"] = Field(
        "no",
        description="How to fail: raise an error, diverge, or end the whole process",
        json_schema_extra={"unit": "1"},
    )
    payload_bytes: Whole = quantity(
        1024, unit="B", low=0, high=1_000_000, description="Size of the result, bytes that follow from the parameters"
    )
    memory_mb: Whole = quantity(
        0,
        unit="MB",
        low=0,
        high=8192,
        description="Memory to take for the duration; left out of the estimate, to try what happens when it was wrong",
    )


class Noop:
    """The simulation `noop`."""

    name = "noop"
    title = "Nothing, for a known time"
    description = (
        "Sleeps, makes a payload of a known size from its parameters, and fails where it is asked to: for measuring "
        "the service and for trying its faults."
    )
    params_model: type[BaseModel] = NoopParams
    numerics_version = numerics_version(("plugins/builtin/noop.py",), ("numpy",))
    files: tuple[str, ...] = ("meta.json",)

    def estimate(self, params: BaseModel) -> Estimate:
        """Price one point."""
        point = cast("NoopParams", params)
        return Estimate(
            memory_bytes=point.payload_bytes + 4096,
            cell_steps=0.0,
            output_bytes=1024,
            work_s=point.duration_s + 1e-5 + point.payload_bytes / 2e8,
        )

    def batch_key(self, params: BaseModel) -> str:
        """Points with payloads of one size go together, whatever their fate."""
        return f"payload{cast('NoopParams', params).payload_bytes}"

    def solve(self, points: Sequence[BaseModel], progress: Progress) -> BatchResult:
        """Run the points one after the other."""
        import numpy as np

        own = [cast("NoopParams", point) for point in points]
        records = np.zeros(len(own), dtype=_record_dtype(own[0].payload_bytes))
        total = sum(point.duration_s for point in own)
        slept, outcomes = 0.0, []
        left_out: frozenset[int] = frozenset()
        for index, point in enumerate(own):
            ballast, outcome = _take_memory(point)
            for begin, end in pairwise(_naps(point.duration_s)):
                left_out |= progress(slept / total)
                if index in left_out:
                    break
                time.sleep(end - begin)
                slept += end - begin
            del ballast
            outcome = PointOutcome(Reason.CANCELLED_BY_USER) if index in left_out else outcome or _end(point)
            outcomes.append(outcome)
            if outcome.reason is Reason.OK:
                records[index]["payload"] = np.frombuffer(make_payload(point), dtype=np.uint8)
                records[index]["size"] = point.payload_bytes
        progress(1.0)
        return BatchResult(outcomes, records)

    def render(self, names: Sequence[str], params: BaseModel, record: "np.void", folder: Path) -> str | None:
        """Write `meta.json`: the parameters, and size and hash of the payload."""
        if "meta.json" in names:
            payload = record["payload"].tobytes()
            write_json(
                folder / "meta.json",
                {
                    "simulation": self.name,
                    "numerics_version": self.numerics_version,
                    "parameters": params.model_dump(),
                    "payload": {"size": len(payload), "sha256": hashlib.sha256(payload).hexdigest()},
                },
            )
        return None

    def describe_results(self) -> ResultsGuide:
        """Return metrics and examples."""
        return NOOP


def make_payload(point: NoopParams) -> bytes:
    """Return the payload: bytes that follow from the parameters and look like noise."""
    return hashlib.shake_128(point.model_dump_json().encode()).digest(point.payload_bytes)


def _record_dtype(payload_bytes: int) -> "np.dtype[np.void]":
    import numpy as np

    # `size` comes first, so that a record without a payload is not empty.
    return np.dtype([("size", "<i8"), ("payload", "u1", (payload_bytes,))])


def _naps(duration_s: float) -> list[float]:
    count = max(1, round(duration_s / _NAP_S)) if duration_s > 0 else 0
    return [duration_s * i / count for i in range(count + 1)] if count else []


def _take_memory(point: NoopParams) -> tuple[bytearray | None, PointOutcome | None]:
    if not point.memory_mb:
        return None, None
    try:
        ballast = bytearray(point.memory_mb * 1_000_000)
        ballast[::_PAGE] = b"\x01" * len(range(0, len(ballast), _PAGE))  # touched, so that it is really taken
    except MemoryError:
        return None, PointOutcome(Reason.OOM, f"memory_mb: {point.memory_mb} MB could not be allocated.")
    return ballast, None


def _end(point: NoopParams) -> PointOutcome:
    match point.fail:
        case "exit":
            os._exit(3)  # as a crash would: no clean-up, no goodbye
        case "diverge":
            return PointOutcome(Reason.DIVERGED, "The point was asked to diverge.")
        case "raise":
            return PointOutcome(
                Reason.NONZERO_EXIT, "RuntimeError: the point was asked to fail.", log="RuntimeError: asked to fail\n"
            )
        case "no":
            return PointOutcome(
                Reason.OK,
                metrics={"duration_s": point.duration_s, "payload_bytes": point.payload_bytes},
                log=f"noop: slept {point.duration_s:g} s\n",
            )
