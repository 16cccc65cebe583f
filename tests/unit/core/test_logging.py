"""Logs: one JSON object a line, nothing secret in it, no line that somebody else wrote."""

import io
import json
import logging
import stat
import sys
import warnings

import pytest

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
