"""The commands of live runs against the application: what they print, and their exit statuses."""

import json
from uuid import UUID

import pytest
from tests.support import live_runs as words
from tests.unit.api.test_client import AppTransport
from typer.testing import CliRunner

from grid.cli import live_metrics
from grid.cli.live_runs import describe_outcome
from grid.cli.main import app as commands
from grid.client.client import GridClient
from grid.database.live_commands import CommandSettlement
from grid.database.live_events import NewLiveEvent
from grid.database.live_samples import Sample
from grid.schemas.live import SAMPLE_METRICS, CommandKind, EventOrigin
from grid.services import live
from grid.services.live import Look
from grid.services.live.pyramid import MetricSpan, pack_spans

BURST = ("--at", "0.4,0.5", "--radius", "0.05", "--power", "100", "--duration", "5")


def make_grid(client, monkeypatch):
    """Return what runs a command line as somebody, and returns what it printed: as JSON where that was asked for."""
    token = client.headers["Authorization"].removeprefix("Bearer ")

    def from_settings(*_):
        return GridClient("http://127.0.0.1:8000", lambda **_: token, transport=AppTransport(client))

    monkeypatch.setattr(GridClient, "from_settings", from_settings)

    def run(*arguments, code=0):
        done = CliRunner().invoke(commands, [str(part) for part in arguments])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if "--json" in arguments and code in {0, 5} and done.stdout else done.output

    return run


@pytest.fixture
def grid(alice, monkeypatch):
    return make_grid(alice, monkeypatch)


@pytest.fixture(scope="module")
def carol(open_clients, tmp_path_factory):
    """A user with one run, whose commands are all refused, so that one application does for them."""
    with open_clients(tmp_path_factory.mktemp("refused")) as opened:
        client = opened.log_in("carol")
        assert client.post("/api/v1/engine/runs", json={"scenario": "burst", "cells": [16, 16]}).status_code == 202
        yield client


@pytest.fixture
def run_id(grid):
    return grid("engine", "start", "burst", "--cells", "16x16", "--name", "plate", "--json")["id"]


def hold(uow):
    """Have a worker run what waits."""
    claim = words.claim(uow).claim
    assert words.begin(uow, claim)
    return claim


def find_command(uow, run, seq):
    return live.get_command(uow, owner_id=None, run_id=UUID(run), seq=seq)


def apply(uow, claim, seq, tick, **effective):
    """Have the worker carry out a command."""
    command = find_command(uow, str(claim.run_id), seq)
    if command.tick is None and command.kind.is_physical:
        live.commit_ticks(uow, claim, {seq: tick})
    live.record_events(uow, claim, settlements=[CommandSettlement(seq, tick, "applied", {"tick": tick, **effective})])


def test_a_run_is_priced_started_listed_and_shown(grid):
    priced = grid("engine", "start", "burst", "--cells", "16x16", "--dry-run", "--json")
    assert priced["cells"] == 256
    assert "largest rate" in grid("engine", "start", "burst", "--cells", "16x16", "--dry-run")
    assert "waits for a place" in grid(
        "engine", "start", "burst", "-p", "power=500", "--cells", "16x16", "--speed", "max", "--paused", "--name", "a"
    )

    (listed,) = grid("engine", "list", "--json")["items"]
    assert (listed["temperature_unit"], listed["cells"], listed["has_structure"]) == ("degC", [1, 16, 16], True)
    assert (listed["origin_m"], listed["size_m"]) == ([0.0, 0.0, 0.0], [0.01, 1.0, 1.0])
    assert (listed["name"], listed["speed"], listed["wanted"]) == ("a", None, "pause")
    assert "burst" in grid("engine", "list")
    shown = grid("engine", "show", "--json")
    assert shown["id"] == grid("engine", "show", "a", "--json")["id"] == listed["id"]
    assert grid("engine", "show", shown["id"][:30], "--json")["id"] == listed["id"]
    assert "max" in grid("engine", "show")


def test_a_run_is_waited_for_and_a_name_means_the_one_that_lives_else_the_newest(grid, uow, run_id):
    claim = hold(uow)
    assert "is running at tick 0" in grid("engine", "wait", "--tick", "0", "--state", "running")
    grid("engine", "stop")
    live.conclude_run(uow, claim, {"files": []}, tick=100)
    assert grid("engine", "wait", "plate", "--state", "stopped", "--json")["status"] == "stopped"
    said = grid("engine", "wait", "plate", "--tick", "900", "--alert", "hot-spot", code=8)
    assert "ended before tick 900 and an alert hot-spot" in said.replace("\n", " ")

    second = grid("engine", "start", "burst", "--cells", "16x16", "--name", "plate", "--json")["id"]
    assert grid("engine", "show", "plate", "--json")["id"] == second
    grid("engine", "stop")
    assert grid("engine", "show", "plate", "--json")["id"] == second


def test_a_scene_is_started_from_a_file(grid, tmp_path):
    path = tmp_path / "scene.json"
    case = {
        "domain": {"size": [0.1]}, "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0},
        "initial": 300.0, "resolution": {"cells": [64]}, "temperature_unit": "K",
    }  # fmt: skip
    path.write_text(json.dumps({"case": case}))

    run = grid("engine", "start", "--scene", path, "--tick", "0.1", "--rate", "10", "--policy", "lumped", "--json")

    assert (run["scenario"], run["tick_s"], run["rate"], run["policy"]) == (None, "0.1", 10.0, "lumped")
    assert "may leave out" in grid("engine", "show", run["id"])
    assert "policy" in grid("engine", "start", "--scene", path, "--tick", "0.1", "--policy", "fast", code=3)
    path.write_text("[1]")
    assert "--scene: must be a JSON object" in grid("engine", "start", "--scene", path, "--tick", "0.1", code=3)
    path.write_text("{")
    assert "--scene" in grid("engine", "start", "--scene", path, "--tick", "0.1", code=3)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("engine", "start", "fire"), 3, "burst"),
        (("engine", "start", "burst", "-p", "power=lots"), 3, "params.power"),
        (("engine", "start", "burst", "--cells", "many"), 3, "--cells"),
        (("engine", "start", "burst", "--speed", "fast"), 3, "speed"),
        (("engine", "start", "burst", "--model", "best"), 3, "model"),
        (("engine", "start"), 3, "scenario"),
        (("engine", "step", "--ticks", "3"), 5, "pause it to step"),
        (("engine", "step", "--ticks", "0"), 2, "--ticks"),
        (("engine", "speed", "1000"), 3, "speed"),
        (("engine", "show", "nobody"), 4, "no live run of that name"),
        (("engine", "show", "01a22d1e-99e6-706e-8e52-54c31d8ae845"), 4, "no such live run"),
        (("engine", "wait"), 2, "--tick, --state or --alert"),
        (("engine", "wait", "--state", "happy"), 3, "--state: one of"),
        (("engine", "wait", "--tick", "-1"), 2, "--tick"),
        (("inject", "burst", "--at", "here"), 3, "--at"),
        (("inject", "burst", "--at", "nan,1"), 3, "--at"),
        (("inject", "burst", "--at", "7,7", "--radius", "1", "--power", "1", "--duration", "1"), 3, "position_m"),
        (("inject", "burst", "--radius", "1"), 3, "position_m"),
        (("inject", "earthquake"), 3, "burst"),
        (("inject", "boundary", "--face", "x_min", "--law", "[]"), 3, "--law"),
        (("inject", "overload", "--power", "1", "--region", "{"), 3, "--region"),
        (("model", "switch", "best"), 3, "model"),
        (("metrics", "--history", "mood"), 3, "metric"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_an_exit_status(carol, monkeypatch, arguments, code, word):
    assert word in make_grid(carol, monkeypatch)(*arguments, code=code)


def test_the_run_is_named_where_several_live(grid, run_id):
    other = grid("engine", "start", "burst", "--cells", "16x16", "--json")["id"]

    said = grid("engine", "pause", code=2)
    assert "2 fit" in said
    assert run_id in said.replace("\n", "")
    assert grid("engine", "pause", "plate", "--json")["run"] == run_id
    grid("engine", "stop", other)
    assert grid("engine", "pause", "--json")["run"] == run_id
    grid("engine", "stop")
    assert "grid engine start" in grid("engine", "show", code=4)
    assert grid("engine", "list", "--json")["items"] == []
    assert len(grid("engine", "list", "--ended", "--json")["items"]) == 2


def test_a_run_is_steered(grid, uow, run_id):
    claim = hold(uow)

    assert "Command 3" in grid("engine", "pause")
    assert grid("engine", "step", "--ticks", "5", "--json")["seq"] == 4
    assert grid("engine", "resume", run_id, "--json")["seq"] == 5
    assert grid("engine", "speed", "max", "--json")["seq"] == 6
    assert grid("engine", "speed", "2", "plate", "--json")["seq"] == 7
    assert grid("model", "switch", "diffusive", "--json")["seq"] == 8
    assert grid("engine", "stop", "--json")["seq"] == 9

    kinds = [command.kind for command in live.read_commands(uow, owner_id=None, run_id=claim.run_id)[2:]]
    K = CommandKind
    assert kinds == [K.PAUSE, K.STEP, K.RESUME, K.SPEED, K.SPEED, K.MODEL, K.STOP]


@pytest.mark.parametrize(
    ("arguments", "payload"),
    [
        (("burst", *BURST), {"position_m": [0.4, 0.5], "radius_m": 0.05, "power_w": 100.0, "duration_s": 5.0}),
        (
            ("flow", "--face", "y_min", "--flux", "10", "--duration", "2", "--from", "0,0.1", "--to", "0.01,0.2"),
            {"face": "y_min", "heat_flux_w_m2": 10.0, "duration_s": 2.0, "from_m": [0.0, 0.1], "to_m": [0.01, 0.2]},
        ),
        (("overload", "--power", "5", "--region", "all"), {"power_w": 5.0, "region": "all"}),
        (
            ("overload", "--power", "5", "--region", '{"disc": {"centre_m": [0, 0.5, 0.5], "radius_m": 0.2}}'),
            {"power_w": 5.0, "region": {"disc": {"centre_m": [0, 0.5, 0.5], "radius_m": 0.2}}},
        ),
        (
            ("boundary", "--face", "y_max", "--law", '{"type": "flux", "value": 3.0}'),
            {"face": "y_max", "law": {"type": "flux", "value": 3.0}},
        ),
        (
            ("damage", "--region", "all", "--conductivity-factor", "0.5", "--damage", "0.1"),
            {"region": "all", "conductivity_factor": 0.5, "damage": 0.1},
        ),
    ],
)
def test_every_kind_of_event_can_be_typed(grid, uow, run_id, arguments, payload):
    grid("inject", *arguments, "--when", "60", "--id", "mine")
    assert grid("inject", *arguments, "--when", "60", "--id", "mine", "--json")["seq"] == 3

    command = find_command(uow, run_id, 3)
    assert (command.payload, command.at_s) == ({"kind": arguments[0], **payload}, 60.0)


def test_faces_of_a_cooling_loss_are_several(grid, uow):
    run = grid("engine", "start", "cooling-failure", "--cells", "8x8", "--json")
    before = run["commands"]

    grid("inject", "cooling-loss", "--face", "x_min", "--remaining", "0.5")

    command = find_command(uow, run["id"], before + 1)
    assert command.payload == {"kind": "cooling-loss", "faces": ["x_min"], "remaining": 0.5}


@pytest.mark.usefixtures("run_id")
def test_waiting_tells_the_tick_and_what_was_effective(grid, uow, monkeypatch):
    claim = hold(uow)
    sent = GridClient.engine.func

    def engine(client):  # the worker carries out whatever is waited for
        verbs = sent(client)
        wait_for = verbs.wait_for

        def carry_out(run, seq, **options):
            apply(uow, claim, seq, 12, time_s=12.0, power_w=100.0, energy_j=500.0, duration_s=5.0)
            return wait_for(run, seq, **options)

        verbs.wait_for = carry_out
        return verbs

    monkeypatch.setattr(GridClient, "engine", property(engine))

    said = grid("inject", "burst", *BURST, "--wait")
    shown = grid("inject", "burst", *BURST, "--wait", "--json")

    assert said.strip() == "Command 3 (event) took effect at tick 12, t = 12 s: 100 W, 500 J, 5 s."
    assert (shown["seq"], shown["tick"], shown["outcome"]) == (4, 12, "applied")


def test_a_command_that_is_refused_at_its_tick_ends_with_five(grid, uow, run_id):
    claim = hold(uow)
    seq = grid("inject", "burst", *BURST, "--id", "mine", "--json")["seq"]
    live.commit_ticks(uow, claim, {seq: 4})
    live.record_events(uow, claim, settlements=[CommandSettlement(seq, 4, "refused", reason="the region has failed")])

    assert "was refused: the region has failed" in grid("inject", "burst", *BURST, "--id", "mine", "--wait", code=5)
    command = find_command(uow, run_id, seq)
    assert describe_outcome(command) == f"Command {seq} (event) was refused: the region has failed"


@pytest.fixture
def sampled(uow, run_id):
    """Four ticks of samples and a switch of the model."""
    claim = hold(uow)
    spans = [MetricSpan(1.0, 3.0, 2.0, 2.5)] * len(SAMPLE_METRICS)
    spans[SAMPLE_METRICS.index("is_lumped")] = MetricSpan(0.0, 0.0, 0.0, 0.0)
    live.write_looks(uow, [Look(claim, tick=4, samples=tuple(Sample(0, tick, pack_spans(spans)) for tick in range(4)))])
    payload = {"model": "diffusive", "reason": "measure", "text": "the limit is exceeded", "time_s": 3.0}
    live.record_events(uow, claim, [NewLiveEvent(3, 24, "switch", payload, "diffusive", EventOrigin.ENGINE)])
    return claim


def test_metrics_and_monitor_mean_the_newest_run_that_lives_else_that_has_ended_and_say_so(grid, uow, sampled):
    second = grid("engine", "start", "burst", "--cells", "16x16", "--name", "other", "--json")["id"]
    said = grid("metrics").replace("\n", " ")
    assert f"Run {second} (other) is the newest of 2 that live" in said
    grid("engine", "stop", "plate")
    live.conclude_run(uow, sampled, {"files": []}, tick=4)
    assert "newest" not in grid("metrics")
    grid("engine", "stop", "other")
    ended = grid("metrics").replace("\n", " ")
    assert f"No live run is under way; run {second} (other) is the newest that has ended." in ended
    assert "the last: the run has ended" in ended
    assert grid("metrics", "plate", "--json")["metrics"]["highest"] == 2.5
    grid("engine", "show", code=4)  # what steers a run never means one that has ended


@pytest.mark.usefixtures("sampled")
def test_metrics_are_shown_once_and_over_all_ticks(grid):
    shown = grid("metrics", "--json")
    assert (shown["tick"], shown["model"], shown["metrics"]["highest"]) == (4, "diffusive", 2.5)
    said = grid("metrics", "plate")
    assert "highest" in said
    assert "K/m" in said
    assert next(line for line in said.splitlines() if line.split()[:1] == ["highest"]).split() == [
        "highest",
        "2.5",
        "degC",
    ]

    span = grid("metrics", "--history", "highest", "--points", "4", "--json")
    assert (span["first_tick"], list(span["metrics"])) == ([0, 1, 2, 3], ["highest"])
    assert "highest largest" in grid("metrics", "--history", "highest")
    assert grid("metrics", "--history", "mean", "--points", "4", "--csv").splitlines()[1] == "0,1,1.0,1.0,3.0,2.0,2.5"


def test_metrics_are_watched_until_the_run_ends(grid, uow, sampled, monkeypatch):
    looks = []

    def sleep(_seconds):  # the run ends while nobody looks
        looks.append(True)
        if len(looks) == 2:
            live.begin_stop(uow, sampled)
            live.conclude_run(uow, sampled, {"files": []}, tick=4)

    monkeypatch.setattr(live_metrics.time, "sleep", sleep)

    lines = grid("metrics", "--watch").splitlines()

    assert len(lines) == 4
    assert lines[1].split()[:4] == ["4", "4", "diffusive", "2.5"]
    assert lines[-1].endswith("stopped")


def test_a_run_that_has_ended_is_watched_as_one_document_a_line(grid, run_id):
    grid("engine", "stop")

    (document,) = [grid("metrics", run_id, "--watch", "--json")]

    assert (document["status"], document["run"]) == ("stopped", run_id)


@pytest.mark.usefixtures("sampled")
def test_the_model_is_shown_with_its_switches(grid):
    shown = grid("model", "show", "--json")

    assert (shown["model"], shown["policy"], shown["certificate"], shown["share"]) == ("diffusive", "auto", 2.5, 2.5)
    assert [(one["tick"], one["text"]) for one in shown["switches"]] == [(3, "the limit is exceeded")]
    assert "tick 3, t = 3 s" in grid("model", "show")
