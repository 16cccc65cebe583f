"""Checkpoints: an interrupted run as one file, from which it continues to the same bytes.

A file is a NumPy archive: the arrays of the state and of the fields stored so far, and a header in JSON with everything
else, numbers written so that they read back exactly. It holds no code. A checkpoint belongs to one plan and one version
of the numerics, and any other is refused: their bytes would differ.
"""

import io
import json
import os
import time
import zipfile
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grid.engine.errors import CheckpointError
from grid.engine.methods.state import Bounds, HeatBalance, State
from grid.engine.run.time_loop import Recorder, TimeLoop
from grid.engine.values.content_hash import hash_content
from grid.engine.version import compute_numerics_version

if TYPE_CHECKING:
    from grid.engine.run.spec import RunSpec

FORMAT = 1  # [-] version of the format of a checkpoint
ARRAYS = ("temperature", "error", "content")  # of a state


@dataclass(frozen=True)
class Checkpoint:
    """A run at one of its reports.

    Args:
        state: Where the run is.
        fields: Fields at output times so far, each flat.
        contents: Enthalpies beside them, where a material melts.
        errors: Estimated time errors beside them.
        rows: History: time, lowest, mean and highest temperature of each report.
        retries: How often the run began again.
        prescribed: The prescribed loads of the heat balance beside the fields.
    """

    state: State
    fields: tuple[Any, ...]
    contents: tuple[Any, ...]
    errors: tuple[float, ...]
    rows: tuple[tuple[float, float, float, float], ...]
    retries: int
    prescribed: tuple[tuple[float, ...], ...] = ()


def compute_plan_hash(plan: "RunSpec") -> str:
    """Hash of all that decides the bytes of a run: the problem, the output times and the method with its facts."""
    return hash_content(plan.problem, plan.times, plan.method, plan.inputs, plan.summary.model)


def pack(checkpoint: Checkpoint, plan: "RunSpec") -> bytes:
    """A checkpoint as the bytes of its file."""
    state = checkpoint.state
    plain = {item.name: getattr(state, item.name) for item in fields(state) if item.name not in ARRAYS}
    plain |= {name: vars(plain[name]) for name in ("heat_balance", "bounds")}
    header = {
        "format": FORMAT,
        "numerics_version": compute_numerics_version(),
        "plan": compute_plan_hash(plan),
        "state": plain,
        "errors": checkpoint.errors,
        "rows": checkpoint.rows,
        "retries": checkpoint.retries,
        "prescribed": checkpoint.prescribed,
    }
    arrays = {name: getattr(state, name) for name in ARRAYS if getattr(state, name) is not None}
    for name, kept in (("field", checkpoint.fields), ("kept_content", checkpoint.contents)):
        arrays |= {f"{name}_{index}": array for index, array in enumerate(kept) if array is not None}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    return buffer.getvalue()


def unpack(data: bytes, plan: "RunSpec") -> Checkpoint:
    """A checkpoint from the bytes of its file.

    Raises:
        CheckpointError: It is no checkpoint, or one of another plan or another version of the numerics.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            arrays = {name: archive[name] for name in archive.files if name != "header"}
        wanted = {"format": FORMAT, "numerics_version": compute_numerics_version(), "plan": compute_plan_hash(plan)}
        for name, value in wanted.items():
            if header[name] != value:
                raise CheckpointError(f"it is of another {name.replace('_', ' ')}")
        return _read(header, arrays)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError("the file is damaged, or is no checkpoint") from error


def _read(header: dict[str, Any], arrays: dict[str, Any]) -> Checkpoint:
    plain = dict(header["state"])
    heat_balance = plain["heat_balance"] | {"prescribed": tuple(plain["heat_balance"]["prescribed"])}
    plain |= {"heat_balance": HeatBalance(**heat_balance), "bounds": Bounds(**plain["bounds"])}
    plain["controller"] = tuple(plain["controller"])
    state = State(**(plain | {name: arrays.get(name) for name in ARRAYS}))
    count = len(header["errors"])
    return Checkpoint(
        state,
        tuple(arrays[f"field_{index}"] for index in range(count)),
        tuple(arrays.get(f"kept_content_{index}") for index in range(count)),
        tuple(header["errors"]),
        tuple(tuple(row) for row in header["rows"]),
        int(header["retries"]),
        tuple(tuple(row) for row in header["prescribed"]),
    )


def save(path: Path, checkpoint: Checkpoint, plan: "RunSpec") -> None:
    """Write a checkpoint; the file is the old one or the new one, never a part."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(pack(checkpoint, plan))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path, plan: "RunSpec") -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: There is none, or it does not belong to the plan.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"the file cannot be read ({error.strerror})") from error
    return unpack(data, plan)


@dataclass
class Keeper:
    """Writes checkpoints during the run.

    Args:
        path: Where to; overwritten.
        every: Least time between two of them [s of the clock]; 0 writes at every report, about 50 in a run.
    """

    path: Path
    every: float
    _last: float = field(default_factory=time.monotonic)

    def __call__(self, march: TimeLoop, state: State) -> None:
        """Write a checkpoint if the last one is at least `every` seconds old."""
        if time.monotonic() - self._last < self.every:
            return
        recorder = march.recorder
        kept = Checkpoint(
            state,
            tuple(array.reshape(-1) for array in recorder.fields),
            tuple(recorder.contents),
            tuple(recorder.errors),
            tuple(recorder.rows),
            march.retries,
            tuple(recorder.prescribed),
        )
        save(self.path, kept, march.plan)
        self._last = time.monotonic()


def go_on(march: TimeLoop, checkpoint: Checkpoint) -> State:
    """Run from a checkpoint of the same plan to the end; returns the last state."""
    march.retries = checkpoint.retries
    return march.run(checkpoint.state, _restore(march, checkpoint))


def _restore(march: TimeLoop, checkpoint: Checkpoint) -> Recorder:
    """Recorder as it was recorded, with coefficients and loads evaluated again from the stored fields."""
    plan, recorder = march.plan, Recorder(march.plan.space)
    ends = [segment.inside(segment.end) for segment in march.segments if segment.end in plan.times]
    kept = zip(checkpoint.fields, checkpoint.contents, checkpoint.errors, checkpoint.prescribed, strict=True)
    for (temperature, content, error, sums), moment in zip(kept, [march.start_time, *ends], strict=False):
        heat_balance = replace(checkpoint.state.heat_balance, prescribed=sums)
        state = replace(checkpoint.state, temperature=temperature, content=content, heat_balance=heat_balance)
        recorder.save(state, moment, error)
    recorder.rows.extend(checkpoint.rows)
    return recorder
