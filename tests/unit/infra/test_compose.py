"""The Compose files and the image: what each part may reach, no password in production, and both tools."""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from grid.core.settings import Settings

ROOT = Path(__file__).parents[3]
BASE, PRODUCTION = ROOT / "docker-compose.yml", ROOT / "docker-compose.prod.yml"
SERVICES = {"db", "redis", "migrate", "web", "worker", "flower", "otel"}
OWN = {"db", "redis", "otel"}  # images of others
# Variables of the entry point, of Flower and of the system; all others are settings of Grid.
FOREIGN = {"FLOWER_BASIC_AUTH", "GRID_FOLDERS", "HOME"}


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def variable(text: str) -> str:
    """Fill in the defaults of variables, as Compose does without an environment."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.fixture(scope="module")
def base() -> dict:
    return read(BASE)["services"]


@pytest.fixture(scope="module")
def production() -> dict:
    return read(PRODUCTION)["services"]


def test_the_promised_services_are_there_and_the_database_has_its_name(base):
    assert base.keys() == SERVICES
    assert base["db"]["environment"]["POSTGRES_DB"] == "physics_sim"
    assert "version" not in read(BASE)
    assert {name for name, one in base.items() if "profiles" in one} == {"flower", "otel"}


def test_the_engine_is_seen_by_the_worker_alone(base, production):
    for name, service in base.items():
        sees = any("docker.sock" in volume for volume in service.get("volumes", []))
        assert sees is (name == "worker")
    assert not any("docker.sock" in str(service) for service in production.values())


def test_the_worker_s_folder_has_one_name_inside_and_outside(base):
    inside = [volume for volume in base["worker"]["volumes"] if volume.startswith("${GRID_DATA")]
    (folder,) = inside
    host, _, container = folder.rpartition(":${GRID_DATA")
    assert host == "${GRID_DATA" + container
    assert base["worker"]["environment"]["GRID_HOME"] == host


def test_what_is_published_is_published_on_loopback(base, production):
    published = {name: service["ports"] for name, service in base.items() if "ports" in service}

    assert published.keys() == {"web", "flower"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert not any("ports" in service for service in production.values())


def test_nothing_starts_before_what_it_needs_is_healthy(base):
    for name in ("web", "worker"):
        assert base[name]["depends_on"] == {
            "db": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "migrate": {"condition": "service_completed_successfully"},
        }
    assert base["db"]["healthcheck"]["test"][:4] == ["CMD", "pg_isready", "-h", "127.0.0.1"]


def test_variables_are_settings_of_grid(base, production):
    known = {name.upper() for name in Settings.model_fields} | FOREIGN
    # Settings that come with adapters are looked for only where they are there.
    later = {"GRID_RUNNER", "DOCKER_HOST"}
    for services in (base, production):
        for name, service in services.items():
            given = {each.removesuffix("_FILE") for each in service.get("environment", {})}
            assert name in OWN or given <= known | later, name


def test_settings_without_a_default_have_a_variable(base):
    given = set(base["web"]["environment"]) | set(base["worker"]["environment"])

    assert {"DATABASE_URL", "REDIS_URL", "ARTIFACTS_PATH", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT"} <= given


def test_production_is_hardened_and_knows_no_password(base, production):
    for name, service in production.items():
        assert name == "migrate" or (service["restart"], "pids_limit" in service) == ("unless-stopped", True)
        assert service["logging"]["options"]["max-size"]
        assert name == "db" or service["read_only"] is True
    for name in SERVICES - {"otel"}:
        merged = {**base[name].get("environment", {}), **production[name]["environment"]}
        assert "development" not in variable(str(merged)), name
    assert "development" not in str(production["redis"]["command"])
    assert base["web"]["cap_drop"] == base["worker"]["cap_drop"] == ["ALL"]


def test_secrets_of_production_are_the_files_that_the_script_makes(tmp_path):
    script = load(ROOT / "infra" / "docker" / "make_secrets.py")
    made = script.make(tmp_path / "secrets")
    named = {Path(one["file"]).name for one in read(PRODUCTION)["secrets"].values()}

    assert named <= set(made)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    texts = {name: (tmp_path / "secrets" / name).read_text() for name in made}
    assert texts["redis_password"] in texts["redis_users"]
    assert texts["redis_password"] in texts["redis_url"]
    assert texts["postgres_password"] in texts["database_url"]
    assert len(texts["grid_secret_key"]) >= 32
    assert script.make(tmp_path / "secrets") == []  # a second run changes nothing
    assert {name: (tmp_path / "secrets" / name).read_text() for name in made} == texts


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def entrypoint(monkeypatch):
    module = load(ROOT / "infra" / "docker" / "entrypoint.py")
    for name in (*module.SECRETS, *(f"{name}_FILE" for name in module.SECRETS)):
        monkeypatch.delenv(name, raising=False)
    started = []
    monkeypatch.setattr(module.os, "execvp", lambda file, command: started.append((file, command)))
    module.started = started
    return module


def test_the_entry_point_takes_secrets_from_their_files(entrypoint, monkeypatch, tmp_path):
    (tmp_path / "url").write_text("redis://:canary@redis:6379/0\n")
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("REDIS_URL", "")

    entrypoint.main(["grid", "serve"])
    assert entrypoint.started == [("grid", ["grid", "serve"])]
    assert (os.environ["REDIS_URL"], "REDIS_URL_FILE" in os.environ) == ("redis://:canary@redis:6379/0", False)


def test_passwords_take_their_place_in_addresses(entrypoint, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://grid:{password}@db/physics_sim")
    monkeypatch.setenv("DATABASE_PASSWORD", "a/b@c d")
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/0")
    monkeypatch.setenv("REDIS_PASSWORD", "unused")

    entrypoint.main(["grid", "serve"])
    assert os.environ["DATABASE_URL"] == "postgresql://grid:a%2Fb%40c%20d@db/physics_sim"
    assert os.environ["REDIS_URL"] == "redis://redis:6379/0"
    assert not {"DATABASE_PASSWORD", "REDIS_PASSWORD"} & os.environ.keys()


def test_an_empty_secret_is_none(entrypoint, monkeypatch):
    monkeypatch.setenv("GRID_SECRET_KEY", "")

    entrypoint.main(["grid", "serve"])
    assert "GRID_SECRET_KEY" not in os.environ


def test_no_command_is_a_text_that_one_of_the_tools_would_cut_short(base, production):
    for service in (*base.values(), *production.values()):
        command = service.get("command", [])
        assert isinstance(command, list) or not re.search(r"[<>&|;]", command)


def test_flower_has_the_same_rights_in_both_files(base):
    command = base["redis"]["command"]
    wanted = command[command.index("flower") + 3 :]
    script = load(ROOT / "infra" / "docker" / "make_secrets.py")

    nobody, _, flower = script.USERS.splitlines()
    assert nobody.split()[2:] == ["on", "nopass", "resetkeys", "resetchannels", "-@all", "+ping"]
    assert flower.split()[4:] == wanted
    writable = {word for word in wanted if word.startswith("~")}
    assert all("celeryev" in key or key.endswith("binding_deadlines") for key in writable)
    assert not {"&*", "+@all", "+@write", "+@list"} & set(wanted)


@pytest.mark.parametrize(
    ("environment", "command", "words"),
    [
        ({"REDIS_URL": "canary", "REDIS_URL_FILE": "/canary"}, ["grid"], "both set"),
        ({"DATABASE_URL_FILE": "/not/there"}, ["grid"], "No such file"),
        ({}, ["celery", "-A", "grid", "flower"], "FLOWER_BASIC_AUTH"),
        ({"FLOWER_BASIC_AUTH": "canary"}, ["celery", "flower"], "user:password"),
        ({"REDIS_URL": "redis://:{password}@canary"}, ["grid"], "REDIS_PASSWORD is not set"),
        ({}, [], "index"),
    ],
)
def test_the_entry_point_refuses_in_one_line_and_repeats_no_secret(
    entrypoint, monkeypatch, capsys, environment, command, words
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert entrypoint.main(command) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "canary" not in said
    assert entrypoint.started == []


def test_programs_started_in_a_running_container_get_their_secrets_by_links(entrypoint):
    """`docker-compose exec web alembic upgrade head` is the same command in production."""
    assert entrypoint.name_program(["/app/bin/alembic", "upgrade", "head"]) == [
        "/opt/grid/bin/alembic", "upgrade", "head",
    ]  # fmt: skip
    assert entrypoint.name_program(["/app/entrypoint", "grid", "serve"]) == ["grid", "serve"]
    text = (ROOT / "Dockerfile").read_text()
    assert f"for name in {' '.join(sorted(entrypoint.LINKS))}; do ln -s" in text
    assert "ENV PATH=/app/bin:/opt/grid/bin:" in text


def test_folders_are_made_for_the_user_of_the_image(entrypoint, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(entrypoint.os, "geteuid", lambda: 0)
    for name in ("chown", "setgroups", "setgid", "setuid"):
        monkeypatch.setattr(entrypoint.os, name, lambda *values, name=name: calls.append((name, *values)))
    monkeypatch.setenv("GRID_FOLDERS", f"{tmp_path}/home:{tmp_path}/worker")

    entrypoint.main(["--prepare", "alembic", "upgrade", "head"])
    assert [name for name, *_ in calls] == ["chown", "chown", "setgroups", "setgid", "setuid"]
    assert calls[-1] == ("setuid", 10001)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("home", "worker")]
    assert modes == [0o700, 0o700]
    assert entrypoint.started == [("alembic", ["alembic", "upgrade", "head"])]


def test_the_image_needs_no_buildkit_holds_files_to_hashes_and_runs_as_nobody():
    for path in (
        ROOT / "Dockerfile",
        ROOT / "sim" / "Dockerfile",
        *sorted((ROOT / "infra" / "standin").rglob("Dockerfile")),
    ):
        text = re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE)
        assert path.parent.parent.name == "standin" or "compileall" in text, path  # nothing is written in a container
        assert not re.search(r"--mount|--chmod|--link|<<\s*\w", text) or path.parent.name == "sim", path
    text = (ROOT / "Dockerfile").read_text()
    assert text.count("\nFROM ${PYTHON_IMAGE}") == 2
    for words in ("USER 10001:10001", "STOPSIGNAL SIGTERM", "HEALTHCHECK", "ENTRYPOINT"):
        assert words in text.rpartition("\nFROM ")[2]
    installs = re.findall(r"pip (?:--python \S+ )?install[^&\n]*", text.replace("\\\n", " "))
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-deps --no-index" in one for one in installs)


DOCKER = """#!/bin/sh
echo "docker $*" >> "$LOG"
case "$*" in
  info) ;;
  "image inspect "*Labels*) echo true ;;
  "image inspect "*) shift $(($# - 1)); case " $HERE " in *" $1 "*) ;; *) exit 1 ;; esac ;;
  pull*) exit 1 ;;
esac
"""


@pytest.fixture
def build(tmp_path):
    """Runs the script that builds the images, with a Docker that has some images and reaches no registry."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)

    def run(here: str, **more: str) -> tuple[subprocess.CompletedProcess, list[str]]:
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "LOG": f"{tmp_path}/log",
            "HERE": here,
            "GRID_SKIP_PAGE": "1",
        }
        words = [ROOT / "infra" / "docker" / "build.sh"]
        done = subprocess.run(words, env={**environment, **more}, capture_output=True, text=True, check=False)
        return done, [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("docker build")]

    return run


def test_what_cannot_be_pulled_is_replaced_and_said(build):
    done, builds = build("python:3.11-slim")

    assert done.returncode == 0, done.stderr
    assert [line.split(" -t ")[1].split()[0] for line in builds] == [
        "postgres:16", "redis:7", "sim:local", "grid:build", "grid:local",
    ]  # fmt: skip
    assert all("PYTHON_IMAGE=python:3.11-slim" in line and "--network host" in line for line in builds)
    for words in ("python:3.12-slim cannot be pulled", "postgres:16 cannot be pulled", "redis:7 cannot be pulled"):
        assert words in done.stdout


def test_what_is_here_is_used_as_it_is(build):
    done, builds = build("python:3.12-slim postgres:16 redis:7", COMPOSE_PROFILES="flower,otel")

    assert done.returncode == 0, done.stderr
    assert [line.split(" -t ")[1].split()[0] for line in builds] == [
        "sim:local", "grid:build", "grid:local", "otel/opentelemetry-collector:0.104.0",
    ]  # fmt: skip
    assert not any("--network" in line for line in builds if "otel" not in line)
    assert "postgres:16 is a stand-in" in done.stdout  # as its label says


def test_without_any_base_image_nothing_is_built(build):
    done, builds = build("")

    assert (done.returncode, builds) == (1, [])
    assert "PYTHON_IMAGE names another" in done.stderr


# Version 2 comes from a wheel of the development lock; version 1 is tried where the machine has it.
TOOLS = [str(Path(sys.executable).with_name("docker-compose")), shutil.which("docker-compose")]
TOOLS = sorted({tool for tool in TOOLS if tool is not None})
TOOLS += [tool for tool in os.environ.get("GRID_COMPOSE_TOOLS", "").split(":") if tool]


@pytest.mark.parametrize("files", [["docker-compose.yml"], ["docker-compose.yml", "docker-compose.prod.yml"]])
@pytest.mark.parametrize("tool", TOOLS)
def test_compose_reads_the_files(tool, files, tmp_path):
    load(ROOT / "infra" / "docker" / "make_secrets.py").make(tmp_path / "secrets")
    arguments = [word for file in files for word in ("-f", file)]
    environment = {
        "PATH": os.environ["PATH"],
        "GRID_SECRETS": str(tmp_path / "secrets"),
        "COMPOSE_PROFILES": "flower,otel",
    }
    done = subprocess.run(
        [tool, *arguments, "config", "-q"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_make_has_the_promised_targets_for_the_stack():
    for target in ("up", "down", "build", "migrate", "logs", "clean"):
        words = ["make", "-n", target, "STACK=compose", "COMPOSE=the-tool", "GRID_SKIP_PAGE=1", "GRID_FLOWER=1"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        assert ("infra/docker/build.sh" if target == "build" else "the-tool") in done.stdout
        assert ".venv" not in done.stdout
