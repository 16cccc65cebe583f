"""Commands without a server: which database they mean, and what `grid auth` and `grid users` refuse before they ask."""

import json
import os

import pytest
from typer.testing import CliRunner

from grid.cli.main import app
from grid.cli.own import join_stack, own_settings
from grid.core.secrets import secrets_folder, write_private
from grid.core.settings import Settings
from grid.runtime.home import open_home, write_pid_file

ACCESS = {
    "postgres_port": 15432,
    "postgres_password": "word",
    "redis_port": 16379,
    "redis_password": "word",
    "flower_password": "word",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "GRID_URL", "GRID_HOST", "GRID_PORT", "GRID_CA_FILE", "GRID_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRID_HOME", str(tmp_path / "home"))
    return open_home(tmp_path / "home")


def test_the_database_of_the_stack_is_meant_while_it_runs(home):
    write_private(secrets_folder(home.root) / "services.json", json.dumps(ACCESS))
    assert own_settings().resolved_database_url.startswith("sqlite:")

    write_pid_file(home, "postgres", os.getpid())

    assert own_settings().resolved_database_url == "postgresql+psycopg://grid:word@127.0.0.1:15432/physics_sim"
    assert own_settings().redis_url == "redis://:word@127.0.0.1:16379/0"


def test_a_server_or_worker_of_another_terminal_joins_the_stack_by_its_environment(home, monkeypatch):
    write_private(secrets_folder(home.root) / "services.json", json.dumps(ACCESS))
    for name, value in {"DATABASE_URL": "", "REDIS_URL": "", "GRID_BELL": "auto"}.items():
        monkeypatch.setenv(name, value)  # so that what is set below ends with this test
    join_stack()
    assert os.environ["DATABASE_URL"] == ""

    write_pid_file(home, "postgres", os.getpid())
    join_stack()

    assert Settings().database_url == "postgresql://grid:word@127.0.0.1:15432/physics_sim"
    assert Settings().grid_bell == "celery"


def test_a_database_that_is_set_outranks_the_one_of_the_stack(home, monkeypatch):
    write_private(secrets_folder(home.root) / "services.json", json.dumps(ACCESS))
    write_pid_file(home, "postgres", os.getpid())
    monkeypatch.setenv("DATABASE_URL", "postgresql://else/where")

    assert own_settings().database_url == "postgresql://else/where"


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_file_of_the_stack_that_cannot_be_read_means_none(home, text):
    write_private(secrets_folder(home.root) / "services.json", text)
    write_pid_file(home, "postgres", os.getpid())

    assert own_settings().resolved_database_url.startswith("sqlite:")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--server", "http://grid.example.org"], 3, "plain http to another machine"),
        (["--server", "grid.example.org"], 3, "--server is no address"),
        (["--ca-file", "ca.pem"], 3, "goes with --server"),
        (["--server", "https://grid.example.org", "--ca-file", "missing.pem"], 3, "missing.pem cannot be read"),
    ],
)
def test_a_login_that_cannot_be_is_refused_before_a_password_is_asked_for(home, words, code, sentence):
    result = CliRunner().invoke(app, ["auth", "login", *words])

    assert result.exit_code == code
    assert sentence in result.stderr
    assert "Password" not in result.stderr
    assert not (home.root / "secrets" / "server.json").exists()


def test_a_login_beside_another_servers_setting_is_refused(home, monkeypatch):
    monkeypatch.setenv("GRID_URL", "https://one.example.org")

    result = CliRunner().invoke(app, ["auth", "login", "--server", "https://other.example.org"])

    assert result.exit_code == 3
    assert "GRID_URL names another server" in result.stderr


@pytest.mark.parametrize(("set_it", "way_back"), [(True, "unset GRID_URL"), (False, "grid auth logout")])
def test_no_server_is_started_that_later_commands_would_not_use(home, monkeypatch, set_it, way_back):
    if set_it:
        monkeypatch.setenv("GRID_URL", "https://grid.example.org")
    else:
        kept = {"address": "https://grid.example.org", "ca_file": None}
        write_private(secrets_folder(home.root) / "server.json", json.dumps(kept))

    result = CliRunner().invoke(app, ["up", "--no-sample"])

    assert result.exit_code == 3
    assert "use the server https://grid.example.org" in result.stderr
    assert way_back in result.stderr


def test_a_logout_forgets_the_server_also_where_it_cannot_be_asked(home):
    kept = {"address": "https://127.0.0.1:1", "ca_file": None}
    write_private(secrets_folder(home.root) / "server.json", json.dumps(kept))

    result = CliRunner().invoke(app, ["auth", "logout"])

    assert result.exit_code == 0  # there was no session to end
    assert not (home.root / "secrets" / "server.json").exists()
