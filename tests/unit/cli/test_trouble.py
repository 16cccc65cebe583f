"""What nobody foresaw is one sentence on stderr, never a trace, never the value of a setting; stdout stays clean."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = "hunter2-hunter2"


def grid(folder: Path, *words: str, said: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, "-m", "grid.cli.main", *words],
        env={**environment, "GRID_HOME": str(folder / "home"), "GRID_PORT": "1", **variables},
        input=said,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def require_one_sentence(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode not in (0, None)
    assert ended.stdout == ""
    (sentence,) = ended.stderr.strip().splitlines()  # a progress bar that was wiped leaves an empty line
    assert sentence.startswith("grid: ")
    return sentence


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GRID_PORT", SECRET), ("DATABASE_URL", SECRET), ("DATABASE_URL", f"postgresql://me:{SECRET}@host:port/x")],
)
@pytest.mark.parametrize("words", [("up", "--json"), ("db", "check")])
def test_a_setting_that_cannot_be_read_is_named_and_not_repeated(tmp_path, words, variable, value):
    sentence = require_one_sentence(grid(tmp_path, *words, **{variable: value}))
    assert variable in sentence
    assert SECRET not in sentence


def test_a_folder_that_is_not_there_is_named(tmp_path):
    problem = tmp_path / "problem.json"
    problem.write_text((Path(__file__).parents[3] / "docs/examples/plate.json").read_text())
    (tmp_path / "taken").write_text("a file")
    assert "taken" in require_one_sentence(grid(tmp_path, "solve", str(problem), "--out", str(tmp_path / "taken/out")))


def test_with_grid_trace_the_trace_is_shown(tmp_path):
    assert "Traceback" in grid(tmp_path, "status", GRID_TRACE="1", GRID_PORT="x").stderr


def test_questions_go_to_stderr(tmp_path):
    ended = grid(tmp_path, "auth", "login", "--json", said="somebody\nno matter\n")
    assert ended.stdout == ""
    assert "Username" in ended.stderr
    assert ended.returncode == 7  # nobody listens on port 1


def test_a_title_is_not_said_twice(capsys):
    from typer import Exit

    from grid.cli.output import reporting
    from grid.schemas.jobs import JobStatus
    from grid.services.ledger import JobFinishedError

    with pytest.raises(Exit), reporting():
        raise JobFinishedError(JobStatus.SUCCESS)
    assert capsys.readouterr().err.count("ended already") == 1


def test_json_of_a_command_is_one_document(tmp_path):
    ended = grid(tmp_path, "status", "--json")
    assert ended.returncode == 7
    assert json.loads(ended.stdout)["is_ready"] is False
