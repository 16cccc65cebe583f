"""The main job, as `make up` runs it: the sample simulation once, and a small sweep."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grid.cli.output import table
from grid.client import calls
from grid.client.client import GridClient
from grid.core.settings import Settings

SAMPLE = {"length": 1.0, "time_steps": 100, "diffusivity": 0.01, "initial_temp": 100.0}
SWEEP = [{**SAMPLE, "diffusivity": value} for value in (0.005, 0.01, 0.02, 0.05)]
LABELS = {"project": "first-run"}


def run_sample(*, say: Callable[[str], None], settings: Settings | None = None) -> dict[str, Any]:
    """Run the sample once in the life of a data folder; later calls return what it gave.

    The idempotency keys are fixed, and the ids are kept in the data folder, so that nothing is run twice.
    """
    settings = settings or Settings()
    remembered = settings.grid_home / "sample.json"
    with GridClient.from_settings(settings) as client:
        found = _recall(client, remembered)
        if found is None:
            say("running the sample simulation")
            job_id = client.submit(image="sim:local", params=SAMPLE, metadata=LABELS).jobs[0]
            say("running a sweep of four points")
            sweep_id = client.submit(simulation="heat-rod", sweep=SWEEP, metadata=LABELS).sweep
            found = {"job": str(job_id), "sweep": str(sweep_id)}
        job = client.wait(found["job"], timeout_s=120)
        for row in client.send(calls.sweep_table(found["sweep"])).rows:
            client.wait(row.job_id, timeout_s=120)
        points = client.send(calls.sweep_table(found["sweep"]))
        zip_path = settings.grid_home / "sample.zip"
        if not zip_path.exists():
            client.download_result(found["job"], zip_path)
    remembered.write_text(json.dumps(found), encoding="ascii")
    return {"job": job.model_dump(mode="json"), "sweep": points.model_dump(mode="json"), "result": str(zip_path)}


def _recall(client: GridClient, remembered: Path) -> dict[str, str] | None:
    from grid.client.errors import ProblemError

    try:
        found: dict[str, str] = json.loads(remembered.read_text(encoding="ascii"))
        client.get_job(found["job"])
        client.send(calls.get_sweep(found["sweep"]))
    except (OSError, ValueError, KeyError, ProblemError):
        return None
    return found


def sample_view(document: dict[str, Any]) -> Iterator[Any]:
    """Yield what `make up` prints: results, files, address, and how to log in."""
    job, sweep = document["job"], document["sweep"]
    metrics = list(dict.fromkeys(name for row in sweep["rows"] for name in row["metrics"] or {}))[:3]
    rows = [("sample job", job["status"], job["params"].get("diffusivity"), *_pick(job["metrics"], metrics))]
    rows += [
        (
            f"sweep point {row['index'] + 1}",
            row["status"],
            row["params"].get("diffusivity"),
            *_pick(row["metrics"], metrics),
        )
        for row in sweep["rows"]
    ]
    yield table("run", "status", "diffusivity, m2/s", *metrics, rows=rows)
    yield f"Files    {document['result']}  (CSV, picture, field and metadata of the sample job)"
    yield f"Address  {document['address']}  (its pages: {document['address']}/docs)"
    yield 'Log in   commands do it by themselves; curl: -H "Authorization: Bearer $(.venv/bin/grid auth token)"'
    yield "Next     .venv/bin/grid jobs submit --sim heat-rod --param diffusivity=0.02 --wait"


def _pick(values: dict[str, Any] | None, names: list[str]) -> list[Any]:
    return [(values or {}).get(name) for name in names]
