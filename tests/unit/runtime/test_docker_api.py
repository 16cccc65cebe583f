"""Calls to the engine: what it refuses, what it leaves unanswered, and engines that must not be used."""

import socket
import time

import pytest
from tests.doubles.docker_engine import IMAGE, MemoryEngine

from grid.core.errors import ConfigurationError
from grid.runtime.docker_api import (
    Engine,
    EngineAwayError,
    EngineRefusedError,
    EngineUnsafeError,
    Frames,
    require_confining,
)


@pytest.fixture
def memory(tmp_path):
    engine = MemoryEngine(tmp_path)
    yield engine
    engine.close()


def test_an_answer_is_json_and_the_version_is_asked_once(memory):
    engine = Engine(memory.host)

    assert engine.get(f"/images/{IMAGE}/json")["Id"] == IMAGE
    assert engine.get("/info")["ServerVersion"] == "20.10.24"
    assert memory.asked.count("GET /_ping") == 1


def test_a_refusal_has_its_status_and_message(memory):
    memory.answers["GET /info"] = (500, "it is\n  broken")

    with pytest.raises(EngineRefusedError) as caught:
        Engine(memory.host).get("/info")
    assert (caught.value.status, caught.value.message) == (500, "it is broken")


def test_an_engine_that_is_not_there_or_does_not_answer_is_away(memory, tmp_path):
    with pytest.raises(EngineAwayError):
        Engine(f"unix://{tmp_path}/none.sock").get("/info")
    memory.answers["GET /info"] = (200, "hang")
    began = time.monotonic()
    with pytest.raises(EngineAwayError, match="in time"):
        Engine(memory.host, timeout_s=0.2).get("/info")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("version", ["1.40", "", "new"])
def test_an_engine_that_is_too_old_is_none(memory, version, monkeypatch):
    monkeypatch.setattr(
        "tests.doubles.docker_engine._Handler.send_header",
        lambda self, name, value: self._headers_buffer.append(
            f"{name}: {version if name == 'Api-Version' else value}\r\n".encode()
        ),
    )
    with pytest.raises(EngineAwayError, match=r"1\.41"):
        Engine(memory.host).get("/info")


@pytest.mark.parametrize("host", ["ssh://host", "unix://", "unix://relative", "tcp://host", "tcp://host:x", "docker"])
def test_an_address_of_another_kind_is_refused_by_the_name_of_the_setting(host):
    with pytest.raises(ConfigurationError, match="DOCKER_HOST"):
        Engine(host)


def test_an_address_may_be_a_port():
    assert Engine("tcp://proxy.example:2375").address == ("proxy.example", 2375)


def test_an_engine_that_confines_is_taken_by_its_version(memory):
    assert require_confining(Engine(memory.host)) == "20.10.24"


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"OSType": "windows"}, "Linux"),
        ({"SecurityOptions": []}, "seccomp"),
        ({"SecurityOptions": ["name=seccomp,profile=unconfined"]}, "seccomp"),
        ({"MemoryLimit": False}, "memory"),
        ({"PidsLimit": False}, "processes"),
        ({"CpuCfsQuota": False}, "CPUs"),
    ],
)
def test_an_engine_that_does_not_confine_is_refused(memory, info, words):
    memory.info |= info

    with pytest.raises(EngineUnsafeError, match=words):
        require_confining(Engine(memory.host))


def test_a_socket_that_everybody_may_write_to_is_refused_before_it_is_used(memory):
    memory.path.chmod(0o666)

    with pytest.raises(EngineUnsafeError, match="everybody"):
        require_confining(Engine(memory.host))
    assert memory.asked == []


def test_frames_are_read_however_they_are_cut():
    data = b"\x01\0\0\0\0\0\0\x05hello\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x07 world!"
    for size in (1, 3, len(data)):
        frames = Frames()
        pieces = [piece for at in range(0, len(data), size) for piece in frames.feed(data[at : at + size])]
        assert b"".join(pieces) == b"hello world!"


def test_a_refused_attachment_leaves_no_connection(memory):
    with pytest.raises(EngineRefusedError):
        Engine(memory.host).attach("nobody")


def test_removing_what_is_gone_is_done_and_an_engine_that_is_away_is_not(memory, tmp_path):
    assert Engine(memory.host).remove("nobody")
    assert not Engine(f"unix://{tmp_path}/none.sock").remove("nobody", within_s=0.1)


def test_an_answer_that_is_cut_is_no_answer(tmp_path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "cut.sock"))
    server.listen()
    server.settimeout(5)
    engine = Engine(f"unix://{tmp_path / 'cut.sock'}", timeout_s=1)
    engine._version = "1.41"
    import threading

    def cut() -> None:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        connection.close()

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(EngineAwayError):
        engine.get("/info")
    thread.join()
    server.close()
