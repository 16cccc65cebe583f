"""Settings: the promised names and defaults, and limits that refuse what makes no sense."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from grid.core.settings import Settings, find_home

PROMISED = {
    "DATABASE_URL": None,
    "REDIS_URL": None,
    "DEFAULT_CONTAINER_IMAGE": "sim:local",
    "ARTIFACTS_PATH": None,
    "MAX_JOB_TIMEOUT": 3600,
    "LOG_LEVEL": "INFO",
    "DEBUG": False,
    "OTEL_SERVICE_NAME": "grid",
    "OTEL_EXPORTER_OTLP_ENDPOINT": None,
    "GRID_HOST": "127.0.0.1",
    "GRID_PORT": 8000,
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No setting from outside."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def make(**values) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize(("name", "default"), PROMISED.items())
def test_the_promised_names_have_the_promised_defaults(name, default):
    assert getattr(make(), name.lower()) == default


def test_the_environment_is_read_by_name(monkeypatch):
    monkeypatch.setenv("GRID_PORT", "8123")
    monkeypatch.setenv("GRID_NOTIFIERS", "log, webhook ,")
    monkeypatch.setenv("DEBUG", "true")

    settings = make()
    assert (settings.grid_port, settings.grid_notifiers, settings.debug) == (8123, ("log", "webhook"), True)


def test_a_file_is_read_and_the_environment_outranks_it(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("GRID_PORT=8001\nLOG_LEVEL=DEBUG\nUNKNOWN=1\n")
    monkeypatch.setenv("GRID_PORT", "8002")

    settings = Settings(_env_file=tmp_path / ".env")
    assert (settings.grid_port, settings.log_level) == (8002, "DEBUG")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grid_port", 0),
        ("grid_port", 65_536),
        ("max_job_timeout", 0),
        ("grid_lease_s", 1),
        ("grid_lease_s", float("nan")),
        ("log_level", "LOUD"),
        ("grid_slots", 0),
        ("grid_queue_limit", 0),
        ("redis_url", "http://host"),
        ("redis_url", "redis://"),
        ("redis_url", "redis://host:port/1"),
        ("grid_bell", "gong"),
        ("grid_bell", "redis"),
        ("grid_bell", "celery"),
        ("grid_db_pool", 0),
        ("grid_db_pooler", "statement"),
        ("grid_artifacts_url", "https://bucket/prefix"),
        ("grid_artifacts_url", "s3://no"),
        ("grid_artifacts_url", "s3://bucket/../up"),
        ("grid_s3_endpoint", "s3.example.org"),
        ("grid_s3_checksums", "never"),
        ("grid_spool_mb", 63),
        ("grid_runner", "podman"),
        ("grid_docker_cpus", 0),
        ("grid_docker_cpus", float("inf")),
        ("grid_docker_memory_mb", 15),
        ("grid_docker_pids", 0),
        ("grid_docker_tmp_mb", 0),
        ("grid_docker_uids", "0-63"),
        ("grid_docker_uids", "200063-200000"),
        ("grid_docker_uids", "200000-400000"),
        ("grid_docker_uids", "200000"),
    ],
)
def test_a_value_outside_its_limits_is_refused_by_name(name, value):
    with pytest.raises(ValidationError) as refused:
        make(**{name: value})

    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


def test_the_data_folder_is_found_upwards_as_git_does(tmp_path):
    (tmp_path / ".grid").mkdir()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    assert find_home(below) == tmp_path / ".grid"


def test_without_a_data_folder_it_is_to_be_made_here(tmp_path):
    assert find_home(tmp_path) == tmp_path / ".grid"


def test_unset_places_lie_in_the_data_folder(tmp_path):
    settings = make(grid_home=tmp_path)

    assert settings.resolved_database_url == f"sqlite:///{tmp_path / 'grid.db'}"
    assert settings.resolved_artifacts_path == tmp_path / "artifacts"


def test_paths_are_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    assert make(grid_home=Path("here"), artifacts_path=Path("there")).resolved_artifacts_path == tmp_path / "there"
    assert make(grid_home=Path("here")).grid_home == tmp_path / "here"


@pytest.mark.parametrize("given", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_a_postgresql_address_names_the_driver_that_is_installed(given):
    assert make(database_url=given).resolved_database_url == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - told apart, never bound
        ("::", False),
        ("192.168.1.1", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback_is_told_by_the_address_not_by_its_beginning(host, is_loopback):
    assert make(grid_host=host).is_loopback is is_loopback


def test_a_secret_is_not_printed():
    settings = make(grid_secret_key="canary" * 8)

    assert "canary" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_refusal_does_not_repeat_the_password_of_an_address():
    with pytest.raises(ValidationError) as refused:
        make(redis_url="redis+x://:canary@host/1", grid_s3_endpoint="ftp://canary@host")

    assert "canary" not in str(refused.value.errors(include_input=False))


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    for name in ("REDIS_URL", "GRID_ARTIFACTS_URL", "GRID_S3_ENDPOINT", "GRID_SPOOL", "DOCKER_HOST", "GRID_DB_POOL"):
        monkeypatch.setenv(name, "")

    assert make() == Settings(_env_file=None, grid_home=make().grid_home)
    assert make().redis_url is None


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        (None, None),
        ("s3://results", ("results", "")),
        ("s3://results/", ("results", "")),
        ("s3://my.results-1/grid/prod", ("my.results-1", "grid/prod")),
    ],
)
def test_the_place_of_results_in_s3_is_a_bucket_and_a_prefix(url, bucket):
    assert make(grid_artifacts_url=url).artifacts_bucket == bucket


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://h/d", "postgresql+psycopg://h/d?grid_pool=5&grid_pooler=transaction"),
        (
            "postgresql://h/d?sslmode=require",
            "postgresql+psycopg://h/d?sslmode=require&grid_pool=5&grid_pooler=transaction",
        ),
        ("sqlite:////d/grid.db", "sqlite:////d/grid.db?grid_pool=5"),
    ],
)
def test_pool_and_pooler_go_with_the_address_to_whoever_opens_the_database(url, told):
    assert make(database_url=url, grid_db_pool=5, grid_db_pooler="transaction").resolved_database_url == told


def test_user_ids_of_containers_are_a_range():
    assert make(grid_docker_uids="1000-1001").docker_uids == range(1000, 1002)


@pytest.mark.parametrize(
    ("redis_url", "bell", "rings"),
    [
        (None, "auto", False),
        ("redis://host", "auto", True),
        ("rediss://host:6380/1", "redis", True),
        ("redis://host", "celery", True),
        ("redis://host", "unix", False),
    ],
)
def test_rings_go_through_redis_where_it_is_set_and_not_ruled_out(redis_url, bell, rings):
    assert make(redis_url=redis_url, grid_bell=bell).rings_redis is rings


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        make().grid_port = 1


ROOT = Path(__file__).parents[3]
LINE = re.compile(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)
# Without a fixed default: found, made, or derived from another setting.
DERIVED = {"GRID_HOME"}


def as_text(value: object) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_the_example_file_shows_every_setting_with_its_default_and_a_sentence():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = LINE.findall(text)

    assert [name for name, _ in shown] == [name.upper() for name in Settings.model_fields]
    for name, value in shown:
        if name not in DERIVED:
            assert value == as_text(getattr(make(), name.lower())), name
        sentence = text[: text.index(f"# {name}=")].splitlines()[-1]
        assert re.fullmatch(r"# [A-Z].*\.", sentence), name


def test_the_example_file_changes_nothing_and_works_when_uncommented(tmp_path):
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line and not line.startswith("#")]

    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in LINE.findall(text) if value))
    given = Settings(_env_file=tmp_path / ".env").model_dump(exclude={"grid_home"})
    assert given == make().model_dump(exclude={"grid_home"})


def test_the_documentation_has_a_row_for_every_setting():
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([A-Z0-9_]+)` \|", text, re.MULTILINE)) == {
        name.upper() for name in Settings.model_fields
    }


def test_every_setting_says_what_it_is():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
