"""Jobs of built-in simulations that are really solved, in the process of the test, and stored as by a worker."""

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tests.support.worker import HandWorker

from grid.plugins.registry import load_registry
from grid.runtime.packs import write_pack
from grid.runtime.solving import parse_params
from grid.schemas.jobs import PackEntry, Reason
from grid.services import ledger

PLATE = {
    "dimension": 2,
    "steady": False,
    "domain": {"coordinates": "cartesian", "size": [0.1, 0.04], "origin": [1.0, 2.0]},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 460.0},
    "initial": 20.0,
    "boundaries": {"x_min": {"type": "temperature", "value": 100.0}},
    "temperature_unit": "degC",
    "resolution": {"cells": [10, 6], "steps": 20, "end_time": 60.0},
}
MASKED = {**PLATE, "domain": {**PLATE["domain"], "active": {"expression": "(x < 1.05) | (y < 2.02)"}}}
WALL = {
    **PLATE,
    "dimension": 1,
    "domain": {"coordinates": "cartesian", "size": [0.1]},
    "resolution": {"cells": [9], "steps": 10, "end_time": 60.0},
}
BLOCK = {
    **PLATE,
    "dimension": 3,
    "temperature_unit": "K",
    "domain": {"coordinates": "cartesian", "size": [0.1, 0.04, 0.02], "origin": [1.0, 2.0, 3.0]},
    "resolution": {"cells": [8, 4, 3], "steps": 10, "end_time": 30.0},
}
STEADY = {
    **WALL,
    "steady": True,
    "temperature_unit": "relative",
    "boundaries": {"x_min": {"type": "temperature", "value": 1.0}, "x_max": {"type": "temperature", "value": 0.0}},
}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "rod": ("heat-rod", {"time_steps": 5, "spatial_steps": 21}),
    "wall": ("heat", {"problem": WALL, "outputs": 2}),
    "plate": ("heat", {"problem": PLATE, "outputs": 3}),
    "masked": ("heat", {"problem": MASKED, "outputs": 3}),
    "block": ("heat", {"problem": BLOCK, "outputs": 2}),
    "steady": ("heat", {"problem": STEADY}),
    "live": ("live", {"scenario": "overload", "cells": [64], "until_s": 2.0}),
    "noop": ("noop", {"payload_bytes": 8}),
}


@dataclass(frozen=True)
class Solved:
    """A solved point.

    Args:
        simulation, params: What was solved.
        record: Its record.
        pack: A pack with it alone.
        entry: Its place there, the key left out.
        field_sha256: Of the whole field.
    """

    simulation: str
    params: dict[str, Any]
    record: np.void
    pack: bytes
    entry: PackEntry
    field_sha256: str | None


@lru_cache
def solve(name: str) -> Solved:
    """Solve one of `BODIES`; each once in a process."""
    simulation_name, params = BODIES[name]
    simulation = load_registry().get(simulation_name)
    solved = simulation.solve([parse_params(simulation, params)], lambda _: frozenset())
    assert solved.outcomes[0].reason is Reason.OK, solved.outcomes[0]
    records = solved.records if isinstance(solved.records, np.ndarray) else np.array([solved.records[0]])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pack.npy"
        (entry,) = write_pack(path, "", records)
        return Solved(simulation_name, params, records[0], path.read_bytes(), entry, solved.outcomes[0].field_sha256)


def finish(client: Any, worker: HandWorker, name: str) -> str:
    """Submit one of `BODIES`, solve it, and end it well; return the job's id."""
    solved = solve(name)
    answer = client.post("/api/v1/jobs", json={"simulation": solved.simulation, "params": solved.params})
    assert answer.status_code == 202, answer.text
    (claim,) = worker.start()
    key = f"packs/20260101/{claim.job_id}.npy"
    worker.store.put(key, io.BytesIO(solved.pack))
    manifest = {"metrics": {}, "audits": [], "numerics_version": "1", "pack": {**solved.entry, "key": key}}
    if solved.field_sha256 is not None:
        manifest["field_sha256"] = solved.field_sha256
    assert ledger.conclude(worker.uow, [ledger.Succeeded(claim, manifest)]) == {claim}  # type: ignore[arg-type]
    return str(answer.json()["jobs"][0])
