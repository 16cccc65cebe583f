"""The application as a whole: light, closed by default, and served by a real uvicorn."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.server import START_S, Server, environment, free_port, serve

from grid.api import serving
from grid.api.app import create_app
from grid.api.serving import bind, level_of, require_meant
from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.services.container import make_container


def run(home: Path, port: int, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=environment(home, port) | extra,
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """`python -m grid.api`, up and answering."""
    home = tmp_path_factory.mktemp("served") / "home"
    with serve(home) as served:
        yield served
    assert not (home / "run" / "server.pid").exists()


def test_a_server_starts_with_its_database_its_administrator_and_a_private_folder(server):
    credential = json.loads((server.home / "secrets" / "admin.json").read_text())
    answer = httpx.post(
        f"{server.url}/api/v1/auth/login", json={name: credential[name] for name in ("username", "password")}
    )

    assert answer.status_code == 200
    assert server.home.stat().st_mode & 0o077 == 0
    assert json.loads((server.home / "run" / "server.pid").read_text())["pid"] == server.process.pid


def test_its_idle_memory_is_small(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident_kb = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    assert resident_kb < 200 * 1024


def test_what_the_parser_itself_refuses_stores_nothing_and_tells_nothing(server):
    for sent in (b"canary\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\ncanary\x00: 1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(sent)
            answer = connection.recv(65_536)
        assert answer.split()[1] == b"400"
        assert b"canary" not in answer


def test_an_answer_over_the_wire_does_not_name_the_software(server):
    assert "server" not in httpx.get(f"{server.url}/live").headers


def test_the_promised_command_of_uvicorn_serves_the_same(tmp_path):
    command = ("uvicorn", "grid.api.app:app", "--port", "{port}")
    with serve(tmp_path / "home", *command, returncode=-signal.SIGTERM) as served:  # as uvicorn ends by itself
        assert httpx.get(f"{served.url}/health").json()["status"] == "degraded"
        assert served.log_in()
    # A request's line is written after its answer has left, so it is looked for once the server has ended.
    lines = [json.loads(line) for line in served.log.read_text().splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "http_request"]
    assert [line["path"] for line in requests] == ["/api/v1/auth/login"]
    assert "uvicorn.access" not in {line["logger"] for line in lines}


def test_a_taken_port_is_one_clear_sentence(server, tmp_path):
    ended = run(tmp_path / "other", server.port, "-m", "grid.api")

    assert ended.returncode == 1
    address, advice = f"127.0.0.1:{server.port}", "stop the program that listens there, or set GRID_PORT to another"
    assert ended.stderr.strip() == f"grid: {address} is taken; {advice} port."
    assert not (tmp_path / "other").exists()


def test_a_second_server_on_one_data_folder_is_refused_with_a_sentence(server):
    ended = run(server.home, free_port(), "-m", "grid.api")

    assert ended.returncode == 1
    assert ended.stderr.startswith("grid: A server already runs on ")
    assert len(ended.stderr.splitlines()) == 1
    assert httpx.get(f"{server.url}/live").status_code == 200


def test_a_setting_that_cannot_be_is_named_and_not_repeated(tmp_path):
    ended = run(tmp_path / "home", 8000, "-m", "grid.api", GRID_LEASE_S="canary")

    assert ended.returncode == 1
    assert "GRID_LEASE_S" in ended.stderr
    assert "canary" not in ended.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::"])  # noqa: S104 - refused
def test_another_address_needs_the_operators_word(host):
    with pytest.raises(ConfigurationError, match="GRID_EXPOSE"):
        require_meant(Settings(_env_file=None, grid_host=host))
    require_meant(Settings(_env_file=None, grid_host=host, grid_expose=True))
    require_meant(Settings(_env_file=None))


def test_an_address_of_somebody_else_is_refused_in_words():
    with pytest.raises(ConfigurationError, match="not an address of this machine"):
        bind(Settings(_env_file=None, grid_host="203.0.113.1", grid_port=free_port()))


def test_what_is_exposed_is_said(caplog):
    caplog.set_level("INFO")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving.announce(Settings(_env_file=None, grid_host="0.0.0.0", grid_expose=True), listener)  # noqa: S104

    exposed = next(record.msg for record in caplog.records if record.msg["event"] == "exposed")
    assert "not encrypted" in exposed["reach"]
    assert "GRID_ALLOWED_HOSTS" in exposed["hint"]


def test_debug_outranks_the_level():
    assert level_of(Settings(_env_file=None, debug=True, log_level="ERROR")) == "DEBUG"
    assert level_of(Settings(_env_file=None, log_level="ERROR")) == "ERROR"


def test_the_server_loads_no_numerics(tmp_path):
    program = (
        "import sys\n"
        "from grid.api.app import app\n"
        "app.openapi()\n"
        "print(sorted({'numpy', 'numba', 'scipy', 'matplotlib', 'alembic'} & set(sys.modules)))\n"
    )
    ended = run(tmp_path / "home", 8000, "-c", program)

    assert (ended.returncode, ended.stdout.strip()) == (0, "[]"), ended.stderr


def test_importing_the_module_reads_no_settings_and_makes_no_folder(tmp_path):
    ended = run(tmp_path / "home", 8000, "-c", "import grid.api.app", GRID_LEASE_S="not a number")

    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "home").exists()


def test_a_module_attribute_that_is_not_there_is_an_ordinary_error():
    from grid.api import app as module

    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = module.nothing_like_it


def test_an_application_takes_settings_or_a_container(settings):
    container = make_container(settings)
    try:
        assert create_app(settings).state.settings is create_app(container=container).state.settings is settings
    finally:
        container.close()


def test_the_server_loads_nothing_that_reaches_a_docker_engine(tmp_path):
    """Who may use an engine is root: its socket is the worker's business, whatever the list of images says."""
    code = (
        "import sys, pathlib; from grid.core.settings import Settings; from grid.api.app import create_app; "
        "from grid.services.container import make_container; from grid.services.ports import ImageCatalogue; "
        "settings = Settings(_env_file=None, grid_home=pathlib.Path(sys.argv[1])); create_app(settings); "
        "make_container(settings).get(ImageCatalogue); "
        "known = {'docker', 'grid.runtime.docker_api', 'grid.runtime.containers'}; "
        "print(sorted(known & set(sys.modules)))"
    )
    done = run(tmp_path / "home", free_port(), "-c", code, str(tmp_path / "home"))

    assert done.stdout.strip() == "[]", done.stderr
