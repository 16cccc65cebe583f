"""A live run at a tick as the bytes of one file, from which it goes on to the same bytes.

A NumPy archive: arrays, and a header in JSON with everything else, numbers written so that they read back exactly. It
holds no code. It belongs to one scene, clock and version of the numerics; any other is refused.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import InputError
from grid.engine.errors import CheckpointError
from grid.engine.live.changes import Change, read_change
from grid.engine.live.commands import Command, LogHeader, read_commands
from grid.engine.live.look import FieldLook
from grid.engine.live.rule_definition import Rule
from grid.engine.live.rule_state import RuleState
from grid.engine.live.scene import Scene
from grid.engine.live.summary import TickSummary
from grid.engine.live.sums import LiveHeat

FORMAT = 1  # [-] version of the format
MODEL = "model_"  # prefix of the arrays of the lumped model
STRUCTURE = "structure_"  # prefix of the arrays of the structure


@dataclass(frozen=True)
class SavedRun:
    """Everything that a live run goes on from.

    Args:
        log: What it belongs to.
        tick: Number of the tick that comes next.
        temperature: Flat field.
        heat: Heat moved since the start.
        extremes: Of the temperature since the start.
        substeps: Super-steps that the next tick takes.
        start_rise: Heat above the pivot at tick 0 [J per unit of section].
        summary: What the last tick showed.
        model: The models as JSON.
        model_arrays: Arrays of the lumped model, by name.
        look: The last look at a field, and its tick.
        observed: Tick at which the structure was last looked at, and what it showed.
        has_yielded: Whether a cell was ever above its yield stress.
        rules, alerts: Alert rules and their states.
        changes: In force or to come.
        commands: The log so far.
        waiting: Numbers of commands for later ticks.
        generation: Number of times that the body has changed.
        potential, potential_field: Tick at which the stress by potential was begun, and its flat field; None without.
        factors: Share of its conductivity that each cell has left, flat; None where nothing is damaged.
        failed: True in cells that have failed, flat; None where none has.
        structure: Arrays of the structure's state, by name; None without a structure.
        physics: What is left out while the run cannot keep its pace.
        content: Enthalpy of each cell, flat [J]; None where no material melts.
    """

    log: LogHeader
    tick: int
    temperature: NDArray[np.float64]
    heat: LiveHeat
    extremes: tuple[float, float]
    substeps: int
    start_rise: float
    summary: TickSummary
    model: dict[str, Any]
    model_arrays: dict[str, NDArray[np.float64]]
    look: tuple[FieldLook, int]
    observed: tuple[int, Mapping[str, Any]]
    has_yielded: bool
    rules: tuple[Rule, ...]
    alerts: tuple[RuleState, ...]
    changes: tuple[Change, ...]
    commands: tuple[Command, ...]
    waiting: tuple[int, ...]
    generation: int
    potential: int | None
    potential_field: NDArray[np.float64] | None
    factors: NDArray[np.float64] | None = None
    failed: NDArray[np.bool_] | None = None
    structure: dict[str, NDArray[Any]] | None = None
    physics: Literal["full", "no-stress", "lumped"] = "full"
    content: NDArray[np.float64] | None = None


def write(run: SavedRun, file: BinaryIO) -> None:
    """Write the bytes of a run to a file, array by array, so that other threads go on between them."""
    header = {
        "format": FORMAT,
        "log": asdict(run.log),
        "tick": run.tick,
        "heat": run.heat.pack(),
        "extremes": run.extremes,
        "substeps": run.substeps,
        "start_rise": run.start_rise,
        "summary": run.summary._asdict(),
        "model": run.model,
        "look": [run.look[0]._asdict(), run.look[1]],
        "has_yielded": run.has_yielded,
        "rules": [rule.to_json() for rule in run.rules],
        "alerts": [alert.pack() for alert in run.alerts],
        "observed": [run.observed[0], dict(run.observed[1])],
        "changes": [change.to_json() for change in run.changes],
        "commands": [command.to_json() for command in run.commands],
        "waiting": run.waiting,
        "generation": run.generation,
        "potential": run.potential,
        "has_structure": run.structure is not None,
        "physics": run.physics,
    }
    given = {"temperature": run.temperature, "factors": run.factors, "failed": run.failed}
    given["content"] = run.content
    given["potential"] = run.potential_field
    arrays = {name: array for name, array in given.items() if array is not None}
    arrays |= {MODEL + name: array for name, array in run.model_arrays.items()}
    arrays |= {STRUCTURE + name: array for name, array in (run.structure or {}).items()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write_array(archive, "header", np.frombuffer(json.dumps(header).encode(), np.uint8))
        for name, array in arrays.items():
            _write_array(archive, name, array)


def _write_array(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    """Write an array as `numpy.load` reads it, from where it lies: a copy would keep other threads from going on."""
    whole = np.ascontiguousarray(array)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(whole))
        if whole.size:
            member.write(whole.reshape(-1).view(np.uint8).data)


def unpack(data: bytes, expected: LogHeader, scene: Scene) -> SavedRun:
    """The run of the bytes.

    Args:
        data: From `pack`.
        expected: Of a session of the same scene and clock; its seed does not count.
        scene: Of the run.

    Raises:
        CheckpointError: The data are damaged, or belong to another scene, clock or version of the numerics.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            arrays = {name: archive[name] for name in archive.files if name != "header"}
        log = _read_log(header, expected)
        return _read(log, header, arrays, scene)
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, InputError) as error:
        raise CheckpointError("the file is damaged, or is no state of a live run") from error


def _read_log(header: dict[str, Any], expected: LogHeader) -> LogHeader:
    """The first line of the log, where it is that of a run of the same scene, clock and numerics."""
    if header["format"] != FORMAT:
        raise CheckpointError("it is of another format")
    log = LogHeader(**header["log"])
    for name, value in asdict(replace(expected, seed=log.seed)).items():
        if header["log"][name] != value:
            raise CheckpointError(f"it is of another {name.replace('_', ' ')}")
    return log


def _read(log: LogHeader, header: dict[str, Any], arrays: dict[str, Any], scene: Scene) -> SavedRun:
    own = {name.removeprefix(STRUCTURE): array for name, array in arrays.items() if name.startswith(STRUCTURE)}
    low, high = header["extremes"]
    return SavedRun(
        log=log,
        tick=int(header["tick"]),
        temperature=arrays["temperature"],
        heat=LiveHeat.unpack(tuple(header["heat"])),
        extremes=(float(low), float(high)),
        substeps=int(header["substeps"]),
        start_rise=float(header["start_rise"]),
        summary=TickSummary(**_tuples(header["summary"])),
        model=header["model"],
        model_arrays={name.removeprefix(MODEL): array for name, array in arrays.items() if name.startswith(MODEL)},
        look=(FieldLook(**header["look"][0]), int(header["look"][1])),
        observed=(int(header["observed"][0]), _tuples(header["observed"][1])),
        has_yielded=bool(header["has_yielded"]),
        rules=tuple(Rule.from_json(rule) for rule in header["rules"]),
        alerts=tuple(RuleState.unpack(alert) for alert in header["alerts"]),
        changes=tuple(read_change(change, scene) for change in header["changes"]),
        commands=tuple(read_commands(header["commands"])),
        waiting=tuple(int(seq) for seq in header["waiting"]),
        generation=int(header["generation"]),
        potential=header["potential"],
        potential_field=arrays.get("potential"),
        factors=arrays.get("factors"),
        failed=arrays.get("failed"),
        structure=own if header["has_structure"] else None,
        physics=header["physics"],
        content=arrays.get("content"),
    )


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of JSON with their lists as tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
