"""`grid jobs` and `grid sweeps` beside submit and list: prices, runs, differences, another run of what failed."""

import json

import pytest
from tests.support.solved_jobs import finish
from tests.support.worker import HandWorker
from tests.unit.api.test_client import AppTransport
from tests.unit.api.test_live_client import ADDRESS
from typer.testing import CliRunner

from grid.cli.main import app as commands
from grid.client import job_calls
from grid.client.client import GridClient
from grid.services.ports import ArtifactStore

JOBS, SWEEPS = "/api/v1/jobs", "/api/v1/sweeps"


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


@pytest.fixture
def connect_client(alice):
    """Make a client of Alice's."""
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    return lambda *_: GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice))


@pytest.fixture
def grid(connect_client, monkeypatch):
    """Run a command against the application, as Alice."""
    monkeypatch.setattr(GridClient, "from_settings", connect_client)

    def run(*arguments, code=0):
        ended = CliRunner().invoke(commands, [str(argument) for argument in arguments])
        assert ended.exit_code == code, ended.output
        return ended.output

    return run


def test_a_dry_run_says_what_it_costs_and_stores_nothing(grid, alice):
    assert "work" in grid("jobs", "submit", "--sim", "heat-rod", "--param", "length=2", "--dry-run")
    refused = grid("jobs", "submit", "--sim", "heat-rod", "--param", "length=-2", "--dry-run", code=3)
    assert "params.length" in refused
    axes = ("--sweep", "length=1:4:4", "--sweep", "diffusivity=-1,0.01")
    priced = json.loads(grid("sweeps", "submit", "--sim", "heat-rod", *axes, "--dry-run", "--json", code=3))
    assert (priced["points"], priced["refused_total"]) == (8, 4)
    assert alice.get(JOBS).json()["total"] == 0


def test_the_runs_of_a_job_are_listed(grid, alice, worker):
    job = alice.post(JOBS, json={"simulation": "noop"}).json()["jobs"][0]
    assert "No worker has taken the job yet." in grid("jobs", "attempts", job)
    worker.fail(worker.start())

    assert "diverged" in grid("jobs", "attempts", job)
    (attempt,) = json.loads(grid("jobs", "attempts", job, "--json"))["items"]
    assert (attempt["number"], attempt["worker"], attempt["reason"]) == (1, "hand", "diverged")


def test_two_jobs_are_compared(grid, alice, worker):
    first, second = finish(alice, worker, "plate"), finish(alice, worker, "masked")

    shown = grid("jobs", "diff", first, second, "--field", "temperature")
    assert "Inputs that differ: 1" in shown
    found = json.loads(grid("jobs", "diff", first, second, "--field", "temperature", "--json"))
    assert found["norms"]["max"] >= 0.0
    assert "time" in grid("jobs", "diff", first, second, "--field", "temperature", "--time", "99", code=3)
    assert grid("jobs", "diff", first, second, "--field", "stress", code=4)


def test_what_failed_is_run_again(grid, alice, worker):
    sweep = alice.post(JOBS, json={"simulation": "noop", "sweep": [{}] * 3}).json()["sweep"]
    grid("sweeps", "rerun", sweep, code=5)
    worker.fail(worker.start())

    again = json.loads(grid("sweeps", "rerun", sweep, "--json"))

    assert (again["points"], again["metadata"]) == (3, {"rerun_of": sweep})
    assert "of 3 points is queued" in grid("sweeps", "rerun", sweep, "--select", "unsuccessful")
    grid("sweeps", "rerun", sweep, "--select", "lucky", code=3)


def test_the_client_reads_labels_series_and_columns(connect_client, alice, worker):
    client = connect_client()
    job = finish(alice, worker, "rod")
    made = client.submit(simulation="heat-rod", sweep=[{"length": 1.0}, {"length": 2.0}], metadata={"project": "p"})

    assert [(one.key, one.jobs) for one in client.send(job_calls.list_labels()).keys] == [("project", 2)]
    assert client.send(job_calls.get_series(job)).columns[0].name == "time"
    columns = client.send(job_calls.sweep_columns(made.sweep, ["params.length"]))
    assert (columns.columns[0].unit, columns.columns[0].values) == ("m", [1.0, 2.0])
    assert client.send(job_calls.sweep_columns(made.sweep)).index == [0, 1]


def test_lists_are_filtered_by_verdict_and_sweeps_by_their_points(grid, alice, worker):
    sweep = alice.post(JOBS, json={"simulation": "noop", "sweep": [{}] * 2}).json()["sweep"]
    claims = worker.start()
    worker.succeed(claims[:1])
    worker.fail(claims[1:])

    def ids(noun, *options):
        return [item["id"] for item in json.loads(grid(noun, "list", "--json", *options))["items"]]

    assert ids("jobs", "--verdict", "passed") == [str(claims[0].job_id)]
    assert ids("jobs", "--verdict", "passed", "--verdict", "failed", "--reason", "diverged") == [str(claims[1].job_id)]
    assert ids("sweeps", "--status", "failed", "--verdict", "failed") == [sweep]
    assert ids("sweeps", "--status", "cancelled") == ids("sweeps", "--verdict", "not_applicable") == []
    assert "verdict" in grid("jobs", "list", "--verdict", "maybe", code=3)
