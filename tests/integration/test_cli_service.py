"""The command line against a running service, as its user types it."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from pathlib import Path

import pytest
from tests.support.processes import find_free_port
from typer.testing import CliRunner

from grid.cli.main import app

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.timeout(180)]

Grid = Callable[..., subprocess.CompletedProcess[str]]
PROCESSES = {"up", "down"}  # these start or end others, with their own environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("cli") / ".grid"
    # The lines of commands are counted where they run in the process of a test; counting doubles a command's start.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRID_", "COV"))}
    kept.pop("DATABASE_URL", None)
    return {
        **kept,
        "GRID_HOME": str(home),
        "GRID_PORT": str(find_free_port()),
        "GRID_SLOTS": "1",
        "GRID_COMPILE_AHEAD": "false",
        "GRID_CALIBRATION": "off",
    }


@pytest.fixture(scope="module")
def grid(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    """Runs `grid ...` against a service of its own, which is stopped at the end.

    Most commands run in this process: a process of its own takes each of them a second of imports.
    """
    folder = tmp_path_factory.mktemp("work")

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        run_command = run_process if arguments[0] in PROCESSES else run_here
        done = run_command(environment, folder, *arguments)
        assert not check or done.returncode == 0, done.stderr
        return done

    run("up", "--no-sample")
    yield run
    assert run("down", "--json").returncode == 0


def run_process(environment: Mapping[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grid.cli.main", *arguments]
    return subprocess.run(
        command, check=False, env=environment, cwd=folder, capture_output=True, text=True, timeout=150
    )


def run_here(environment: Mapping[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call a command in this process, with that environment and no other."""
    others = {
        name: None for name in os.environ if name.startswith(("GRID_", "DATABASE_URL")) and name not in environment
    }
    with chdir(folder):
        done = CliRunner().invoke(app, list(arguments), env={**others, **environment})
    trouble = "" if done.exception is None or isinstance(done.exception, SystemExit) else repr(done.exception)
    return subprocess.CompletedProcess(list(arguments), done.exit_code, done.stdout, done.stderr + trouble)


def read_json(done: subprocess.CompletedProcess[str]) -> dict:
    return json.loads(done.stdout)


def test_up_is_harmless_when_everything_runs(grid):
    assert read_json(grid("up", "--no-sample", "--json"))["started"] == []


def test_up_prints_the_sample_and_its_sweep_and_leaves_the_zip(grid):
    document = read_json(grid("up", "--json"))

    assert document["job"]["status"] == "success"
    assert [row["status"] for row in document["sweep"]["rows"]] == ["success"] * 4
    names = set(zipfile.ZipFile(document["result"]).namelist())
    assert names == {"result.csv", "meta.json", "simulation_results.png", "temperature_field.npy"}


def test_status_names_every_part_and_its_state(grid):
    document = read_json(grid("status", "--json"))

    assert document["is_ready"]
    assert {part["name"]: part["state"] for part in document["parts"]} == dict.fromkeys(
        ("database", "worker", "bus", "artifacts"), "ready"
    )


def test_a_job_goes_from_submit_to_a_zip_with_its_log(grid, tmp_path):
    job = read_json(grid("jobs", "submit", "--sim", "heat-rod", "-p", "diffusivity=0.02", "--wait", "--json"))
    out = tmp_path / "result.zip"

    grid("jobs", "result", job["id"], "--out", str(out))

    assert job["status"] == "success"
    assert json.loads(zipfile.ZipFile(out).read("meta.json"))["parameters"]["diffusivity"] == 0.02
    assert grid("jobs", "logs", job["id"]).stdout.strip()
    assert grid("jobs", "logs", job["id"], "--follow").stdout.strip()
    assert read_json(grid("jobs", "show", job["id"], "--json"))["id"] == job["id"]


def test_a_sweep_multiplies_its_axes_and_shows_its_table(grid):
    axes = ("--sweep", "diffusivity=0.005:0.02:4", "--sweep", "length=0.5,1")
    sweep = read_json(grid("sweeps", "submit", "--sim", "heat-rod", *axes, "--wait", "--json"))

    rows = read_json(grid("sweeps", "table", sweep["id"], "--json"))["rows"]

    assert sweep["by_status"]["success"] == 8
    assert [(row["params"]["length"], row["status"]) for row in rows[:2]] == [(0.5, "success"), (1, "success")]


def test_commands_find_the_server_by_the_data_folder(grid, environment, tmp_path):
    """`GRID_PORT=8541 make up`, and then every command without the setting."""
    without = {name: value for name, value in environment.items() if name != "GRID_PORT"}
    for arguments in (
        ("status", "--json"),
        ("jobs", "list", "--json"),
        ("jobs", "list", "--status", "success", "--status", "failed", "--reason", "ok", "--search", "01", "--summary"),
        ("jobs", "list", "--created-from", "2020-01-01", "--created-to", "2100-01-01T08:00", "--json"),
        ("sweeps", "list", "--search", "bridge", "--created-from", "2020-01-01T00:00:00Z", "--json"),
        ("auth", "token"),
        ("up", "--no-sample", "--json"),
    ):
        done = (run_process if arguments[0] in PROCESSES else run_here)(without, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["address"].endswith(f":{environment['GRID_PORT']}")
    moved = {**environment, "GRID_PORT": str(find_free_port())}
    command = [sys.executable, "-m", "grid.cli.main", "up"]
    refused = subprocess.run(command, env=moved, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert f":{environment['GRID_PORT']} already" in refused.stderr


def test_a_sweep_shares_params_takes_whole_numbers_by_ratio_and_says_why_points_fail(grid):
    sweep = read_json(
        grid("sweeps", "submit", "--sim", "heat-rod", "--param", "length=2", "--sweep", "time_steps=50:200:3:log",
             "--meta", "run=007", "--wait", "--json")
    )  # fmt: skip
    rows = read_json(grid("sweeps", "table", sweep["id"], "--json"))["rows"]

    assert [(row["params"]["time_steps"], row["params"]["length"]) for row in rows] == [
        (50, 2.0),
        (100, 2.0),
        (200, 2.0),
    ]
    assert sweep["failed"] == []
    assert sweep["metadata"] == {"run": "007"}
    found = read_json(grid("sweeps", "list", "--meta", "run=007", "--json"))
    assert [item["id"] for item in found["items"]] == [sweep["id"]]


def test_cancel_stops_a_running_job_and_a_second_one_is_a_conflict(grid):
    job = read_json(grid("jobs", "submit", "--sim", "noop", "-p", "duration_s=60", "--json"))["jobs"][0]

    grid("jobs", "cancel", job)

    assert grid("jobs", "watch", job, check=False).returncode == 8
    assert read_json(grid("jobs", "show", job, "--json"))["status"] == "cancelled"
    assert grid("jobs", "cancel", job, check=False).returncode == 5


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("jobs", "submit", "--sim", "heat-rod", "-p", "length=-1"), 3, "length"),
        (("jobs", "submit", "--sim", "no-such"), 3, "simulation"),
        (("jobs", "show", "01931f5e-8f2c-7c3a-9d41-5f2d7e0c8a11"), 4, "job"),
        (("jobs", "show", "not-an-id"), 2, "UUID"),
        (("jobs", "submit", "--sim", "heat-rod", "-p", "length"), 3, "name=value"),
        (("sims", "show", "no-such"), 4, "simulation"),
    ],
)
def test_each_refusal_is_one_sentence_and_an_exit_code(grid, arguments, code, words):
    done = grid(*arguments, check=False)

    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_token_is_printed_alone_and_opens_the_door(grid, environment):
    import httpx

    token = grid("auth", "token").stdout

    assert token.count("\n") == 1
    address = f"http://127.0.0.1:{environment['GRID_PORT']}/api/v1/users/me"
    assert httpx.get(address, headers={"Authorization": f"Bearer {token.strip()}"}).json()["username"] == "admin"


def test_a_link_logs_a_browser_in_and_its_session_is_listed_and_ended(grid, environment):
    import httpx

    printed = grid("auth", "link").stdout
    address, _, code = printed.strip().partition("/login#code=")
    assert (printed.count("\n"), address) == (1, f"http://127.0.0.1:{environment['GRID_PORT']}")
    answer = httpx.post(f"{address}/api/v1/auth/web/link", json={"code": code}, headers={"Origin": address})
    me = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    session_id = httpx.get(f"{address}/api/v1/users/me", headers=me).json()["session_id"]

    listed = {one["id"]: one for one in read_json(grid("auth", "sessions", "--json"))["items"]}
    assert listed[session_id]["kind"] == "browser"
    assert session_id in grid("auth", "sessions").stdout
    grid("auth", "sessions", "--end", session_id)
    assert httpx.get(f"{address}/api/v1/users/me", headers=me).status_code == 401
    assert grid("auth", "sessions", "--end", session_id, check=False).returncode == 4


def test_a_user_is_added_listed_and_sees_only_their_own_jobs(grid, environment):
    environment["GRID_NEW_PASSWORD"] = environment["GRID_PASSWORD"] = "a long enough passphrase"
    grid("users", "add", "ada", "--json")
    job = read_json(grid("jobs", "submit", "--sim", "noop", "--wait", "--json"))["id"]

    grid("auth", "login", "--username", "ada", "--json")
    try:
        assert read_json(grid("auth", "whoami", "--json"))["username"] == "ada"
        assert grid("jobs", "show", job, check=False).returncode == 4
        assert grid("users", "list", check=False).returncode == 6
    finally:
        grid("auth", "logout")
    assert "ada" in grid("users", "list").stdout


def test_solve_needs_no_server_and_writes_the_four_files(grid, tmp_path):
    problem = Path(__file__).parents[2] / "docs" / "examples" / "plate.json"

    document = read_json(grid("solve", str(problem), "--out", str(tmp_path / "out"), "--json"))

    assert {Path(file).name for file in document["files"]} == {p.name for p in (tmp_path / "out").iterdir()}
    assert all(audit["verdict"] != "failed" for audit in document["audits"])


def test_solve_refuses_a_problem_by_field(grid, tmp_path):
    problem = tmp_path / "bad.json"
    problem.write_text('{"kind": "diffusion", "dimension": 1}')

    done = grid("solve", str(problem), "--out", str(tmp_path / "out"), check=False)

    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_database_is_checked_and_backed_up_while_in_use(grid, tmp_path):
    copy = tmp_path / "copy.db"

    assert read_json(grid("db", "check", "--json"))["is_sound"]
    assert read_json(grid("db", "backup", str(copy), "--json"))["bytes"] == copy.stat().st_size
    assert grid("db", "backup", str(copy), check=False).returncode == 5


def test_the_audit_log_is_verified_against_heads_that_were_kept(grid, tmp_path):
    kept = tmp_path / "heads.json"
    kept.write_text(grid("audit", "verify", "--json").stdout)

    grid("jobs", "submit", "--sim", "noop", "--wait")

    assert read_json(grid("audit", "verify", "--heads", str(kept), "--json"))["is_intact"]
    assert any(json.loads(line)["action"] == "job.submit" for line in grid("audit", "export").stdout.splitlines())
    forged = json.loads(kept.read_text())
    forged["heads"] = {chain: [length, "0" * 64] for chain, (length, _) in forged["heads"].items()}
    kept.write_text(json.dumps(forged))
    assert grid("audit", "verify", "--heads", str(kept), check=False).returncode == 8


def test_a_refused_token_is_renewed_once_by_the_client(grid, environment):
    """A session that another command ended must not make people log in by hand."""
    cached = Path(environment["GRID_HOME"]) / "secrets" / "session.json"
    document = json.loads(cached.read_text())
    document["access_token"] = document["access_token"][:-4] + "AAAA"
    cached.write_text(json.dumps(document))

    assert grid("jobs", "list").returncode == 0


def test_doctor_finds_nothing_unsafe_after_a_plain_start(grid):
    findings = read_json(grid("doctor", "--json"))["findings"]

    assert {"address", "data folder", "secrets", "disk", "database", "images"} <= {f["subject"] for f in findings}
    assert "unsafe" not in {finding["verdict"] for finding in findings}


def test_doctor_calls_a_readable_secret_unsafe(grid, environment):
    key = Path(environment["GRID_HOME"]) / "secrets" / "signing.key"
    key.chmod(0o644)
    try:
        done = grid("doctor", check=False)
    finally:
        key.chmod(0o600)

    assert done.returncode == 1
    assert "0644" in done.stdout


def test_a_taken_port_is_one_sentence(environment, tmp_path, grid):
    elsewhere = {**environment, "GRID_HOME": str(tmp_path / ".grid")}
    command = [sys.executable, "-m", "grid.cli.main", "up", "--no-sample"]

    done = subprocess.run(command, check=False, env=elsewhere, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    assert done.returncode == 3
    assert "GRID_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_server_on_the_same_folder_is_refused_with_a_sentence(environment, grid):
    elsewhere = {**environment, "GRID_PORT": str(find_free_port())}

    done = subprocess.run(
        [sys.executable, "-m", "grid.api"], check=False, env=elsewhere, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert "already runs" in done.stderr


def test_a_damaged_database_is_one_sentence(environment, tmp_path):
    home = tmp_path / ".grid"
    home.mkdir(mode=0o700)
    (home / "grid.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    elsewhere = {**environment, "GRID_HOME": str(home), "GRID_PORT": str(find_free_port())}
    command = [sys.executable, "-m", "grid.cli.main", "up", "--no-sample"]

    done = subprocess.run(command, check=False, env=elsewhere, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    assert done.returncode == 7
    assert "Traceback" not in done.stderr
    assert "database" in done.stderr


def test_without_a_server_commands_say_how_to_start_one(environment, tmp_path):
    elsewhere = {**environment, "GRID_HOME": str(tmp_path / ".grid"), "GRID_PORT": str(find_free_port())}
    command = [sys.executable, "-m", "grid.cli.main", "jobs", "list"]

    done = subprocess.run(command, check=False, env=elsewhere, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    assert done.returncode in {6, 7}
    assert "grid up" in done.stderr
