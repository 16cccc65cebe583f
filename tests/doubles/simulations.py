"""Toy simulations for tests of the runtime: each misbehaves on request. Slot children load them by name."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grid.core.errors import DivergedError, NotFoundError
from grid.schemas.jobs import Reason
from grid.schemas.simulations import BatchResult, Estimate, PointOutcome, Progress

RECORD = np.dtype([("value", "<f8"), ("series", "<f8", (8,)), ("flag", "u1")])


class ToyParams(BaseModel):
    """What a toy is told."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    value: float = Field(1.0, ge=-1e6, le=1e6)
    tags: tuple[str, ...] = ()  # a list in JSON
    mode: str = "ok"
    duration_s: float = Field(0.0, ge=0.0, le=60.0)


class Toy:
    """Doubles a number; `mode` says how to go wrong."""

    name = "toy"
    title = "A toy"
    description = "Doubles a number."
    params_model: type[BaseModel] = ToyParams
    numerics_version = "toy-1"
    files: tuple[str, ...] = ("meta.json", "field.npy")

    def __init__(self) -> None:
        self.calls: list[int] = []

    def estimate(self, params: BaseModel) -> Estimate:
        return Estimate(1024, 1.0, 1024, 1e-3)

    def batch_key(self, params: BaseModel) -> str:
        return "all"

    def solve(self, points: Sequence[BaseModel], progress: Progress) -> BatchResult:
        self.calls.append(len(points))
        records = np.zeros(len(points), dtype=RECORD)
        outcomes = []
        for index, point in enumerate(points):
            outcomes.append(self._solve(point, index, len(points), progress))  # type: ignore[arg-type]
            if outcomes[-1].reason is Reason.OK:
                records[index] = (2 * point.value, np.arange(8) * point.value, 1)  # type: ignore[attr-defined]
        return BatchResult(outcomes, records)

    def _solve(self, point: ToyParams, index: int, total: int, progress: Progress) -> PointOutcome:
        deadline = time.monotonic() + point.duration_s
        while time.monotonic() < deadline:
            if index in progress((index + 0.5) / total):
                return PointOutcome(Reason.CANCELLED_BY_USER)
            time.sleep(0.005)
        match point.mode:
            case "raise":
                raise RuntimeError("a secret place: /etc/passwd")
            case "memory":
                raise MemoryError
            case "diverge":
                raise DivergedError(3, 0.5, "the temperature is not finite")
            case "outcome":
                return PointOutcome(Reason.DIVERGED, "This point alone diverged.")
            case "exit":
                os._exit(3)
            case "hold":  # a kernel that neither looks at the pipe nor lets another thread run
                sum(range(10**12))
            case "eat":
                return _eat_memory()
        return PointOutcome(
            Reason.OK,
            metrics={"value": np.float64(2 * point.value), "bad": float("nan"), "environment": len(os.environ)},
            audits=[{"name": "finite", "verdict": "passed", "value": float("inf"), "limit": None, "detail": ""}],
            field_sha256=hash_field(point),
            log=f"solved {point.value}\n",
        )

    def render(self, names: Sequence[str], params: BaseModel, record: Any, folder: Path) -> str | None:
        assert isinstance(params, ToyParams)
        if params.mode == "bad-writer":
            raise RuntimeError("a secret place: /etc/passwd")
        if "meta.json" in names:
            (folder / "meta.json").write_text(f'{{"value": {record["value"]}}}', encoding="ascii")
        if "field.npy" not in names:
            return None
        np.save(folder / "field.npy", make_field(params))
        return hash_field(params)


class Bare(Toy):
    """Leaves no record; another numerics version makes another field."""

    name = "bare"

    def solve(self, points: Sequence[BaseModel], progress: Progress) -> BatchResult:
        return BatchResult([PointOutcome(Reason.OK) for _ in points], np.zeros(len(points), dtype=np.dtype([])))


class Registry:
    """The toys."""

    def __init__(self) -> None:
        self._toys = {toy.name: toy for toy in (Toy(), Bare())}

    def simulations(self) -> Mapping[str, Toy]:
        return self._toys

    def get(self, name: str) -> Toy:
        try:
            return self._toys[name]
        except KeyError:
            raise NotFoundError("simulation") from None


def load_registry() -> Registry:
    """Return the toys: what `SlotFactory(registry=...)` names."""
    return Registry()


def make_field(point: ToyParams) -> np.ndarray[Any, Any]:
    return np.full((4, 4), point.value)


def hash_field(point: ToyParams) -> str:
    return hashlib.sha256(make_field(point).tobytes()).hexdigest()


def _eat_memory() -> PointOutcome:
    eaten = []
    while len(eaten) < 4096:  # 4 GiB at most
        eaten.append(bytearray(1 << 20))
        time.sleep(0.001)
    return PointOutcome(Reason.OK)
