"""Runs in containers, each behind its watchdog, on an engine in memory that keeps its word or does not."""

import json
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from tests.doubles.docker_engine import IMAGE, MemoryContainer, MemoryEngine

from grid.core.errors import UnavailableError
from grid.runtime.containers import (
    ContainerHost,
    ContainerLimits,
    ContainerRun,
    NoUserIdError,
    UserIds,
    list_containers,
    read_installation,
)
from grid.runtime.docker_api import Engine
from grid.runtime.store import LocalArtifactStore
from grid.runtime.watched_run import ProgramEnded, ProgramLog, ProgramProgress, ProgramStarted
from grid.schemas.images import ImagePin
from grid.schemas.jobs import Claim, Reason

CLAIM = Claim(UUID(int=7), 3)
PIN = ImagePin("solver:1", None, IMAGE)
LIMITS = ContainerLimits(wall_s=60.0, output_bytes=1 << 20, grace_s=0.3)
IDS = range(200_000, 200_002)

Start = Callable[..., ContainerRun]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryEngine]:
    engine = MemoryEngine(tmp_path)
    yield engine
    engine.close()


@pytest.fixture
def host(memory: MemoryEngine, tmp_path: Path) -> ContainerHost:
    home = tmp_path / "home"
    home.mkdir()
    return ContainerHost(memory.host, home, UserIds(home, IDS))


@pytest.fixture
def start(host: ContainerHost) -> Iterator[Start]:
    runs: list[ContainerRun] = []

    def start(*, claim: Claim = CLAIM, pin: ImagePin = PIN, params: dict | None = None, **limits) -> ContainerRun:
        from dataclasses import replace

        runs.append(ContainerRun(host, pin, claim, params or {}, replace(LIMITS, **limits)))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()
    eventually(lambda: not list((host.home / "run" / "scratch").glob("*")))


def eventually(claim: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def read_to_end(run: ContainerRun) -> list:
    messages = []
    while run.poll(30.0):
        messages.append(run.receive())
        if isinstance(messages[-1], ProgramEnded):
            return messages
    raise AssertionError(f"it did not end: {messages}")


def wait_for(run: ContainerRun, kind: type) -> None:
    while run.poll(20.0):
        message = run.receive()
        assert not isinstance(message, ProgramEnded), message
        if isinstance(message, kind):
            return
    raise AssertionError(f"no {kind.__name__}")


def test_a_run_reads_its_parameters_and_its_outputs_are_stored(memory, start, host):
    def program(container: MemoryContainer) -> None:
        params, output = (Path(one["Source"]) for one in container.body["HostConfig"]["Mounts"])
        text = params.read_text()
        container.say(f"{text}\n::progress 0.5\n".encode())
        container.say(b"and this\n", stream=2)
        (output / "result.csv").write_text("a\n1\n")
        container.exit(0)

    memory.program = program
    run = start(params={"value": "$(rm -rf /)", "--flag": 1})
    messages = read_to_end(run)
    store = LocalArtifactStore(host.home / "artifacts")

    assert isinstance(messages[0], ProgramStarted)
    text = "".join(message.text for message in messages if isinstance(message, ProgramLog))
    assert text == '{"value": "$(rm -rf /)", "--flag": 1}\nand this\n'
    assert [message.fraction for message in messages if isinstance(message, ProgramProgress)] == [0.5]
    outcome = messages[-1].outcome
    assert (outcome.reason, outcome.exit_code, outcome.usage["image_id"]) == (Reason.OK, 0, IMAGE)
    assert [(entry["name"], entry["size"]) for entry in run.collect(store, "jobs/1/1")] == [("result.csv", 4)]
    assert memory.containers == {}  # removed before the end was told
    with pytest.raises(EOFError):
        run.receive()


def test_the_container_is_named_labelled_and_attached_before_it_starts(memory, start, host):
    seen: list[MemoryContainer] = []

    def program(container: MemoryContainer) -> None:
        seen.append(container)
        container.exit(0)

    memory.program = program
    read_to_end(start())

    (container,) = seen
    installation = read_installation(host.home)
    assert container.name == f"grid-{installation}-{CLAIM.job_id}-3"
    labels = container.body["Labels"]
    assert (labels["grid.installation"], labels["grid.job"], labels["grid.epoch"]) == (
        installation, str(CLAIM.job_id), "3",
    )  # fmt: skip
    assert float(labels["grid.deadline"]) == pytest.approx(time.time() + 60.3, abs=30)
    verbs = [asked.split("/")[-1] for asked in memory.asked if "/containers/" in asked and asked.startswith("POST")]
    assert verbs[:3] == ["create", "attach", "start"]
    user = int(container.body["User"].split(":")[0])
    assert user in IDS


def test_parameters_are_a_file_that_cannot_be_written_and_the_output_is_the_users(memory, start):
    modes: list[object] = []

    def program(container: MemoryContainer) -> None:
        params, output = (Path(one["Source"]) for one in container.body["HostConfig"]["Mounts"])
        modes.extend([stat.S_IMODE(params.stat().st_mode), output.stat().st_uid, stat.S_IMODE(output.stat().st_mode)])
        container.exit(0)

    memory.program = program
    read_to_end(start())

    is_root = os.geteuid() == 0
    assert modes[0] == 0o444
    assert modes[1] in (IDS if is_root else [os.geteuid()])
    assert modes[2] == (0o700 if is_root else 0o777)


def test_a_flag_that_the_engine_did_not_keep_ends_the_run_before_it_starts(memory, start):
    memory.drops = {"NetworkMode": "bridge"}
    (ended,) = read_to_end(start())

    assert ended.outcome.reason is Reason.SANDBOX_UNAVAILABLE
    assert "NetworkMode" in ended.outcome.message
    assert not any(asked.endswith("/start") for asked in memory.asked)
    assert memory.containers == {}


def test_a_flag_that_changes_with_the_start_ends_the_run_before_it_is_told(memory, start):
    def program(container: MemoryContainer) -> None:
        container.changes = {"Privileged": True}

    memory.program = program
    memory.answers = {}
    original = memory.describe

    def describe(container: MemoryContainer) -> dict:
        if container.state["Running"]:
            container.changes = {"Privileged": True}
        return original(container)

    memory.describe = describe
    (ended,) = read_to_end(start())

    assert (ended.outcome.reason, memory.containers) == (Reason.SANDBOX_UNAVAILABLE, {})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"GET /images/": (404, "No such image")}, Reason.IMAGE_UNAVAILABLE),
        ({"POST /containers/create": (404, "No such image")}, Reason.IMAGE_UNAVAILABLE),
        ({"POST /containers/create": (409, "Conflict")}, Reason.INFRA),
        ({"POST /containers/create": (500, "no space left on device")}, Reason.INFRA),
        ({"/attach": (500, "no")}, Reason.INFRA),
        ({"/start": (500, "OCI runtime create failed: no")}, Reason.INFRA),
        ({"/start": (400, 'exec: "run": executable file not found in $PATH')}, Reason.NONZERO_EXIT),
        ({"/start": (400, 'exec: "/run": permission denied')}, Reason.NONZERO_EXIT),
    ],
)
def test_each_step_that_fails_has_its_reason_and_leaves_nothing(memory, start, answer, reason):
    memory.answers = answer
    (ended,) = read_to_end(start())

    assert (ended.outcome.reason, memory.containers) == (reason, {})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            "invalid mount config: bind source path does not exist: /home/canary/run",
            "does not see the worker's data folder",
        ),
        ("failed to create task: /var/lib/docker/canary", "(500)"),
    ],
)
def test_what_the_engine_says_is_for_the_log_and_never_in_the_message_of_a_job(memory, start, caplog, told, words):
    memory.answers = {"POST /containers/create": (500, told)}
    (ended,) = read_to_end(start())

    assert (ended.outcome.reason, words in ended.outcome.message) == (Reason.INFRA, True), ended.outcome.message
    assert "canary" not in ended.outcome.message
    assert "canary" in caplog.text


def test_a_socket_that_everybody_may_write_to_is_not_used(memory, start, caplog):
    memory.path.chmod(0o666)
    (ended,) = read_to_end(start())

    assert (ended.outcome.reason, memory.asked) == (Reason.INFRA, [])
    assert str(memory.path) not in ended.outcome.message
    assert "everybody" in caplog.text


def test_an_image_of_another_content_is_unavailable(memory, start):
    pin = ImagePin("solver:1", "sha256:" + "cd" * 32, "sha256:" + "ef" * 32)
    memory.images[pin.reference] = memory.images[IMAGE]

    (ended,) = read_to_end(start(pin=pin))
    assert (ended.outcome.reason, "not the one" in ended.outcome.message) == (Reason.IMAGE_UNAVAILABLE, True)


def test_an_image_with_volumes_is_refused(memory, start):
    memory.images[IMAGE]["Config"] = {"Cmd": ["run"], "Volumes": {"/data": {}}}

    (ended,) = read_to_end(start())
    assert (ended.outcome.reason, memory.containers) == (Reason.IMAGE_UNAVAILABLE, {})


def test_an_engine_that_is_away_is_no_fault_of_the_job(memory, start):
    memory.go_away()

    (ended,) = read_to_end(start())
    assert ended.outcome.reason is Reason.INFRA


def test_a_container_of_the_same_attempt_stops_a_second_one(memory, start):
    memory.program = lambda container: container.ended.wait(20)
    first = start()
    wait_for(first, ProgramStarted)

    (ended,) = read_to_end(start())
    assert ended.outcome.reason is Reason.INFRA
    assert len(memory.containers) == 1


def test_the_deadline_ends_a_run(memory, start):
    memory.program = lambda container: container.ended.wait(20)
    messages = read_to_end(start(wall_s=0.3))

    assert messages[-1].outcome.reason is Reason.WALL_TIMEOUT
    assert memory.containers == {}


def test_cancel_sends_a_signal_first_and_kills_after_the_grace(memory, start):
    seen: list[MemoryContainer] = []

    def program(container: MemoryContainer) -> None:
        seen.append(container)
        container.ended.wait(20)

    memory.program = program
    run = start()
    wait_for(run, ProgramStarted)
    run.cancel()
    messages = read_to_end(run)

    assert messages[-1].outcome.reason is Reason.CANCELLED_BY_USER
    assert seen[0].signals[:2] == ["SIGTERM", "SIGKILL"]


def test_too_much_output_ends_a_run(memory, start):
    def program(container: MemoryContainer) -> None:
        output = Path(container.body["HostConfig"]["Mounts"][1]["Source"])
        for place in range(3):
            (output / f"part{place}").write_bytes(bytes(1 << 19))
        container.ended.wait(20)

    memory.program = program
    outcome = read_to_end(start())[-1].outcome

    assert outcome.reason is Reason.OUTPUT_TOO_LARGE
    assert outcome.usage["written_bytes"] == 3 << 19


def test_memory_is_the_reason_where_the_engine_counted_it(memory, start):
    memory.program = lambda container: container.exit(137, OOMKilled=True)

    assert read_to_end(start())[-1].outcome.reason is Reason.OOM


def test_a_run_that_closed_its_streams_goes_on_to_its_end(memory, start):
    def program(container: MemoryContainer) -> None:
        container.say(b"bye\n")
        container.output.shutdown(2)
        time.sleep(0.3)
        container.exit(3)

    memory.program = program
    outcome = read_to_end(start())[-1].outcome

    assert (outcome.reason, outcome.exit_code) == (Reason.NONZERO_EXIT, 3)


def test_a_killed_watchdog_is_no_fault_of_the_job_and_its_container_is_removed(memory, start):
    memory.program = lambda container: container.ended.wait(20)
    run = start()
    wait_for(run, ProgramStarted)
    os.kill(run.pid, signal.SIGKILL)

    assert read_to_end(run)[-1].outcome.reason is Reason.INFRA
    eventually(lambda: memory.containers == {})


def test_a_supervisor_that_goes_takes_the_container_along(memory, start):
    memory.program = lambda container: container.ended.wait(20)
    run = start()
    wait_for(run, ProgramStarted)
    run._watchdog.hang_up()

    eventually(lambda: memory.containers == {})


def test_a_kill_returns_at_once_while_the_engine_hangs(memory, start):
    memory.program = lambda container: container.ended.wait(20)
    run = start()
    wait_for(run, ProgramStarted)
    memory.answers = {"/kill": (200, "hang"), "DELETE": (200, "hang")}

    run.kill()
    assert not run._watchdog.has_ended  # it waits for the engine, and nobody waits for it
    memory.answers = {}
    memory.goes_on.set()


def test_an_engine_that_begins_anew_returns_the_job_and_one_whose_container_lives_on_is_read_again(memory, start):
    memory.program = lambda container: container.ended.wait(30)
    run = start()
    wait_for(run, ProgramStarted)
    (container,) = memory.containers.values()
    memory.go_away()
    time.sleep(0.3)
    memory.come_back()
    eventually(lambda: container.output is not None and container.output.fileno() != -1)
    container.exit(137)

    assert read_to_end(run)[-1].outcome.reason is Reason.INFRA


def test_user_ids_are_held_one_by_one_and_given_back(tmp_path):
    ids = UserIds(tmp_path, IDS)
    first, second = ids.take(), UserIds(tmp_path, IDS).take()

    assert {first[0], second[0]} == set(IDS)
    with pytest.raises(NoUserIdError):
        ids.take()
    os.close(first[1])
    assert ids.take()[0] == first[0]
    os.close(second[1])


def test_an_installation_has_one_name_for_ever(tmp_path):
    name = read_installation(tmp_path)

    assert name == read_installation(tmp_path)
    assert stat.S_IMODE((tmp_path / "installation.id").stat().st_mode) == 0o600
    (tmp_path / "installation.id").write_text("--privileged")
    with pytest.raises(UnavailableError, match=r"installation\.id"):
        read_installation(tmp_path)


def test_containers_are_listed_by_installation_and_claim(memory):
    for place, labels in enumerate(
        (
            {"grid.installation": "ours", "grid.job": str(CLAIM.job_id), "grid.epoch": "3"},
            {"grid.installation": "ours", "grid.job": "none", "grid.epoch": "3"},
            {"grid.installation": "theirs", "grid.job": str(CLAIM.job_id), "grid.epoch": "3"},
        )
    ):
        memory.containers[str(place)] = MemoryContainer(str(place), str(place), {"Labels": labels})

    found = list_containers(Engine(memory.host), "ours")
    assert [(one.id, one.claim) for one in found] == [("0", CLAIM), ("1", None)]


def test_parameters_are_strict_json(start):
    with pytest.raises(ValueError, match="JSON"):
        start(params={"x": float("nan")})
    assert json.dumps({"x": 1})
