"""Logs: one JSON object a line, nothing secret in it, no line that somebody else wrote."""

import io
import json
import logging
import os
import stat
import sys
import warnings

import pytest

from grid.core import logging as grid_logging
from grid.core.logging import FILE_COUNT, HIDDEN, bound, configure, get_logger


@pytest.fixture
def stream():
    """Where the logs of a test go."""
    text = io.StringIO()
    configure("DEBUG", json=True, stream=text)
    yield text
    configure("WARNING", stream=sys.stderr)
    logging.captureWarnings(capture=False)


def lines(stream) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def log_crash(text: str, **variables: str) -> None:
    try:
        fail(text, variables)
    except ValueError:
        get_logger("grid.test").exception("crashed")


def fail(text: str, variables: dict[str, str]) -> None:
    raise ValueError(text)


def test_an_event_is_one_line_of_json_with_its_keys(stream):
    get_logger("grid.test").info("job_claimed", job_id="j1", count=3, share=0.5, ready=True, gone=None)

    (line,) = lines(stream)
    assert line["event"] == "job_claimed"
    assert (line["level"], line["logger"]) == ("info", "grid.test")
    assert (line["job_id"], line["count"], line["share"], line["ready"], line["gone"]) == ("j1", 3, 0.5, True, None)
    assert line["timestamp"].endswith("Z")


def test_records_of_the_standard_library_come_the_same_way(stream):
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)

    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("Started server process [7]", "info", "uvicorn.error")


def test_libraries_that_talk_much_are_heard_from_warnings_on(stream):
    logging.getLogger("sqlalchemy.engine").info("SELECT password FROM users")
    logging.getLogger("sqlalchemy.pool").warning("a connection was lost")

    assert [line["event"] for line in lines(stream)] == ["a connection was lost"]


def test_less_severe_events_are_left_out():
    text = io.StringIO()
    configure("WARNING", json=True, stream=text)
    get_logger("grid.test").info("quiet")
    get_logger("grid.test").warning("loud")

    assert [line["event"] for line in lines(text)] == ["loud"]


def test_bound_values_are_on_every_line_of_the_block_and_on_none_after_it(stream):
    with bound(request_id="r1", job_id="j1"):
        get_logger("grid.test").info("inside")
        logging.getLogger("grid.library").warning("inside too")
    get_logger("grid.test").info("outside")

    first, second, third = lines(stream)
    assert (first["request_id"], second["request_id"]) == ("r1", "r1")
    assert "request_id" not in third


@pytest.mark.parametrize(
    "name",
    [
        *("password", "new_password", "Authorization", "access_token", "refresh-token", "secret", "client_secret"),
        *("api_key", "apikey", "signing_key", "cookie", "credentials"),
    ],
)
def test_values_named_like_secrets_are_hidden_at_any_depth(stream, name):
    get_logger("grid.test").info("event", **{name: "canary-1"}, nested={"list": [{name: "canary-2"}]})

    assert "canary" not in stream.getvalue()
    assert lines(stream)[0]["nested"]["list"][0][name] == HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary-abc.def",
        "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.canary_signature",
        "$argon2id$v=19$m=19456,t=2,p=1$canary$canary",
        "grid_rt_canary-canary_canary",
        "postgresql+psycopg://grid:canary@db.example/grid",
    ],
)
def test_text_shaped_like_a_secret_is_hidden_wherever_it_stands(stream, text):
    get_logger("grid.test").info("event", detail=f"before {text} after")
    logging.getLogger("library").error("went wrong with %s", text)
    log_crash(text)

    assert "canary" not in stream.getvalue()
    assert stream.getvalue().count(HIDDEN) >= 3


def test_nobody_can_write_a_line_of_their_own(stream, monkeypatch):
    root = logging.getLogger()  # pytest keeps what it captures, and its workers cannot send a lone surrogate home
    ours = [handler for handler in root.handlers if not type(handler).__module__.startswith("_pytest")]
    monkeypatch.setattr(root, "handlers", ours)
    forged = 'x\n{"event": "forged"}\r\x1b[2J\x00\u2028\ud800\x9b31m'
    get_logger("grid.test").info("event", path=forged)
    logging.getLogger("library").warning(forged)

    assert len(stream.getvalue().splitlines()) == 2
    assert not set(stream.getvalue()) & set("\r\x1b\x00\u2028\ud800\x9b")
    stream.getvalue().encode("utf-8")
    assert lines(stream)[0]["path"].startswith('x\\u000a{"event"')


def test_a_traceback_is_a_list_of_lines_without_the_values_of_variables(stream):
    log_crash("boom", variable="canary")

    (line,) = lines(stream)
    assert line["exception"][0].startswith("Traceback")
    assert line["exception"][-1] == "ValueError: boom"
    assert "canary" not in stream.getvalue()


def test_a_warning_of_python_is_logged(stream):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("use something else", UserWarning, stacklevel=1)

    assert lines(stream)[0]["logger"] == "py.warnings"
    assert "use something else" in lines(stream)[0]["event"]


def test_an_object_that_cannot_be_json_is_shown_by_its_text(stream):
    get_logger("grid.test").info("event", value=object, items={1, 2}, deep=[[[[[[[[["far"]]]]]]]]])

    (line,) = lines(stream)
    assert line["value"] == "<class 'object'>"
    assert sorted(line["items"]) == [1, 2]
    assert "far" not in stream.getvalue()


def test_a_person_at_a_terminal_reads_words_and_a_pipe_gets_json():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    configure("INFO", stream=terminal)
    get_logger("grid.test").info("server_started", address="127.0.0.1")
    configure("INFO", stream=pipe)
    get_logger("grid.test").info("server_started", address="127.0.0.1")

    assert "server_started" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert lines(pipe)[0]["address"] == "127.0.0.1"


def test_a_file_is_private_and_replaced_when_it_grows(tmp_path, monkeypatch):
    monkeypatch.setattr("grid.core.logging.FILE_BYTES", 2_000)
    file = tmp_path / "logs" / "server.log"
    configure("INFO", file=file)
    for number in range(100):
        get_logger("grid.test").info("event", number=number)
    configure("WARNING", stream=sys.stderr)

    kept = sorted(file.parent.iterdir())
    assert len(kept) == FILE_COUNT
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert json.loads(file.read_text().splitlines()[-1])["number"] == 99


def test_configuring_twice_writes_each_line_once(stream):
    again = io.StringIO()
    configure("INFO", json=True, stream=again)
    get_logger("grid.test").info("once")

    assert stream.getvalue() == ""
    assert len(lines(again)) == 1


@pytest.fixture
def background_log(tmp_path, monkeypatch):
    """The log of a process in the background: its standard error, opened to append."""
    monkeypatch.setattr(grid_logging, "STREAM_BYTES", 20_000)
    monkeypatch.setattr(grid_logging, "LOOK_S", 0.0)
    path = tmp_path / "server.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        configure("INFO", json=True, stream=stream, behind=path)
        yield path, descriptor
        configure("WARNING", stream=sys.stderr)
    logging.captureWarnings(capture=False)


def test_a_log_is_turned_over_while_its_process_runs(background_log):
    path, descriptor = background_log
    for number in range(2_000):
        get_logger("grid.test").info("counted", number=number)
    os.write(descriptor, b"what a child says\n")  # on the same open file

    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["server.log", *(f"server.log.{number}" for number in range(1, 5))]
    assert max(file.stat().st_size for file in files) < 21_000
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert path.read_text().endswith("what a child says\n")
    lines = [json.loads(line) for file in (files[1], files[0]) for line in file.read_text().splitlines()[:-1]]
    numbers = [line["number"] for line in lines]
    assert numbers[-1] >= 1_997
    assert len(numbers) >= numbers[-1] - numbers[0]  # the last line before is not among them, all others are


def test_a_file_that_is_not_the_process_s_own_is_left_alone(background_log, tmp_path):
    other = tmp_path / "other.log"
    other.write_bytes(bytes(30_000))
    assert not grid_logging.turn_over(other, background_log[1])
    with other.open("rb+") as file:  # ours, but not opened to append: it would be full of zeros
        assert not grid_logging.turn_over(other, file.fileno())
    assert other.stat().st_size == 30_000
    assert grid_logging.turn_over(other)
    assert other.stat().st_size == 0
    assert (tmp_path / "other.log.1").stat().st_size == 30_000


def test_no_link_is_followed_when_a_log_is_turned_over(tmp_path):
    log, target = tmp_path / "server.log", tmp_path / "target"
    log.write_bytes(bytes(30_000))
    for number in range(1, 5):
        (tmp_path / f"server.log.{number}").symlink_to(target)
    assert grid_logging.turn_over(log, most_bytes=20_000)
    assert not target.exists()


def test_uvicorn_s_warnings_of_what_anybody_may_send_are_left_out(stream):
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application")
    assert [line["level"] for line in lines(stream)] == ["error"]
