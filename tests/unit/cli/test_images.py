"""`grid images` beside an engine in memory: what it lists, what it refuses, and that it pulls only when told to."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.docker_engine import IMAGE, MemoryEngine
from typer.testing import CliRunner, Result

from grid.cli.main import app
from grid.runtime import engine_images
from grid.schemas.images import ImagePin

DIGEST = "sha256:" + "cd" * 32
Grid = Callable[..., Result]


@pytest.fixture
def memory() -> Iterator[MemoryEngine]:
    folder = Path(tempfile.mkdtemp(prefix="engine"))
    engine = MemoryEngine(folder)
    yield engine
    engine.close()
    shutil.rmtree(folder)


@pytest.fixture
def grid(memory: MemoryEngine, sqlite_database, tmp_path, monkeypatch) -> Grid:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", sqlite_database.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("DOCKER_HOST", memory.host)
    return lambda *words: CliRunner().invoke(app, ["images", *words])


def listed(grid: Grid) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(grid("list", "--json").stdout)["items"]}


def test_the_local_program_is_on_the_list_from_the_start(grid):
    assert listed(grid)["sim:local"]["runner"] == "program"
    assert "sim:local" in grid("list").stdout


def test_an_image_built_here_is_added_by_its_content(grid, memory):
    memory.images["built:1"] = {"Id": IMAGE, "Os": "linux", "Size": 5, "Config": {"Cmd": ["run"]}, "RepoDigests": []}
    result = grid("add", "built:1")

    assert (result.exit_code, IMAGE in result.stdout) == (0, True)
    found = listed(grid)["built:1"]
    assert (found["runner"], found["image_id"], found["digest"], found["size_bytes"]) == ("docker", IMAGE, None, 5)
    assert not [asked for asked in memory.asked if not asked.startswith("GET")]


def test_an_image_of_a_registry_is_added_by_its_digest_and_pulled_by_it_alone(grid, memory, monkeypatch):
    pulled: list[tuple[ImagePin, Path | None]] = []

    def pull(host: str | None, pin: ImagePin, credentials: Path | None) -> None:
        pulled.append((pin, credentials))
        memory.images[f"registry.example/solver@{DIGEST}"] = {"Id": IMAGE, "Os": "linux", "Config": {"Cmd": ["run"]}}

    monkeypatch.setattr(engine_images, "pull", pull)
    added = grid("add", f"registry.example/solver:1@{DIGEST}")
    assert (added.exit_code, "grid images pull" in added.stdout) == (0, True)
    assert pulled == []
    credentials = Path("config.json")
    credentials.write_text("{}")
    done = grid("pull", "registry.example/solver:1", "--credentials", str(credentials))

    assert (done.exit_code, done.output) == (0, f"registry.example/solver:1 is here, as {IMAGE}.\n")
    assert pulled == [(ImagePin("registry.example/solver:1", DIGEST, None), credentials)]
    found = listed(grid)["registry.example/solver:1"]
    assert (found["digest"], found["image_id"], found["pulled_at"] is not None) == (DIGEST, IMAGE, True)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("add", "--", "--privileged"), 3, "must be a name"),
        (("add", "nobody:1"), 3, "@sha256:"),
        (("add", "solver:1", "--program"), 3, "sim:local"),
        (("pull", "nobody:1"), 4, "no such image"),
        (("pull", "sim:local"), 4, "digest"),
        (("remove", "nobody:1"), 4, "no such image"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(grid, words, code, told):
    result = grid(*words)

    assert (result.exit_code, told in result.output) == (code, True), result.output
    assert list(listed(grid)) == ["sim:local"]


def test_an_image_with_volumes_is_not_allowed(grid, memory):
    memory.images["built:1"] = {"Id": IMAGE, "Os": "linux", "Config": {"Cmd": ["run"], "Volumes": {"/data": {}}}}
    result = grid("add", "built:1")

    assert (result.exit_code, "volumes" in result.output) == (3, True), result.output


def test_an_engine_that_is_away_is_said_and_a_digest_is_enough(grid, memory):
    memory.go_away()
    result = grid("add", f"registry.example/solver:1@{DIGEST}")

    assert (result.exit_code, "does not answer" in result.stderr) == (0, True), result.output
    assert listed(grid)["registry.example/solver:1"]["runner"] == "docker"


def test_the_local_program_may_move_into_a_container_and_back_and_off_the_list(grid, memory):
    memory.images["sim:local"] = {"Id": IMAGE, "Os": "linux", "Config": {"Cmd": ["run"]}}
    assert grid("add", "sim:local").exit_code == 0
    assert listed(grid)["sim:local"]["runner"] == "docker"
    assert grid("add", "sim:local", "--program").exit_code == 0
    assert listed(grid)["sim:local"]["runner"] == "program"
    assert grid("remove", "sim:local").exit_code == 0
    assert listed(grid) == {}
