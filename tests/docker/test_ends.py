"""Programs that eat memory, fork, fill disks, ignore signals or never stop talking: each ends with its own reason."""

import os
import signal
from uuid import uuid4

import pytest
from tests.support.docker_runs import Containers, read_to_end, wait_for_start, wait_for_text, wait_until

from grid.runtime.collector import OutputError
from grid.runtime.store import LocalArtifactStore
from grid.schemas.images import ImagePin
from grid.schemas.jobs import Claim, Reason

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

IGNORE = "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"


@pytest.mark.parametrize(
    ("script", "reason", "code"),
    [
        ("sys.exit(0)", Reason.OK, 0),
        ("sys.exit(3)", Reason.NONZERO_EXIT, 3),
        ("sys.exit(137)", Reason.NONZERO_EXIT, 137),
        ("os.kill(os.getpid(), signal.SIGKILL)", Reason.NONZERO_EXIT, 137),
        ("os.abort()", Reason.NONZERO_EXIT, 134),
    ],
)
def test_an_end_has_its_code(containers: Containers, script, reason, code):
    outcome, _ = containers.end(script)

    assert (outcome.reason, outcome.exit_code) == (reason, code)


@pytest.mark.parametrize(
    "script",
    [
        "kept = bytearray(200 << 20)\nfor at in range(0, len(kept), 4096): kept[at] = 1",
        "if os.fork() == 0:\n    kept = b'x' * (200 << 20)\n    os._exit(0)\nsys.exit(os.wait()[1] != 0)",
        "open('/tmp/fill', 'wb').write(bytes(3 << 20)); kept = b'x' * (95 << 20); sys.exit(1)",  # /tmp is memory
    ],
    ids=["itself", "a child", "with its temporary files"],
)
def test_too_much_memory_is_oom(containers: Containers, script):
    outcome, _ = containers.end(script)

    assert outcome.reason is Reason.OOM


def test_a_full_tmp_is_an_error_of_the_program(containers: Containers):
    outcome, text = containers.end("""
try: open('/tmp/fill', 'wb').write(bytes(6 << 20))
except OSError as error: say(error.strerror); sys.exit(4)
""")

    assert (outcome.reason, outcome.exit_code, text) == (Reason.NONZERO_EXIT, 4, "No space left on device\n")


def test_a_fork_bomb_stays_within_its_processes(containers: Containers):
    outcome, text = containers.end("""
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        made += 1
except OSError as error:
    say(made < 24, error.strerror)
    sys.exit(5)
""")

    assert (outcome.reason, outcome.exit_code, text) == (
        Reason.NONZERO_EXIT,
        5,
        "True Resource temporarily unavailable\n",
    )


def test_the_wall_limit_ends_what_ignores_signals(containers: Containers):
    outcome, _ = containers.end(IGNORE + "time.sleep(60)", wall_s=1.0)

    assert (outcome.reason, outcome.exit_code) == (Reason.WALL_TIMEOUT, 137)


@pytest.mark.parametrize("handler", ["", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"])
def test_the_processor_limit_is_named_as_such(containers: Containers, handler):
    outcome, _ = containers.end(handler + "while True: pass", cpu_s=1.0)

    assert outcome.reason is Reason.CPU_TIMEOUT


def test_cancel_lets_it_say_goodbye(containers: Containers):
    run = containers.start("""
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"goodbye\\n"), os._exit(0)))
say("up"); time.sleep(60)
""")
    wait_for_text(run, "up")
    run.cancel()
    outcome, text = read_to_end(run)

    assert (outcome.reason, outcome.exit_code, text) == (Reason.CANCELLED_BY_USER, 0, "goodbye\n")


def test_cancel_ends_a_family_that_ignores_it(containers: Containers):
    run = containers.start(IGNORE + "for _ in range(3): os.fork() or os.setsid()\nsay('up'); time.sleep(60)")
    wait_for_text(run, "up")
    run.cancel()
    outcome, _ = read_to_end(run)

    assert outcome.reason is Reason.CANCELLED_BY_USER
    assert containers.list_all() == []


def test_a_daemon_does_not_outlive_its_run(containers: Containers):
    outcome, _ = containers.end("""
if os.fork() == 0:
    os.setsid()
    for descriptor in range(3): os.close(descriptor)
    time.sleep(600)
    os._exit(0)
say("up")
""")

    assert outcome.reason is Reason.OK
    assert containers.list_all() == []


def test_a_run_that_closes_its_streams_is_still_watched(containers: Containers):
    outcome, _ = containers.end("os.closerange(0, 3); time.sleep(1.5); os._exit(6)")

    assert (outcome.reason, outcome.exit_code) == (Reason.NONZERO_EXIT, 6)


@pytest.mark.parametrize(
    "script",
    [
        "file = open(folder / 'big.npy', 'wb')\nwhile True: file.write(bytes(1 << 20))",
        "for at in range(20): (folder / f'part{at}.npy').write_bytes(bytes(1 << 20))\ntime.sleep(60)",
        "for at in range(10_000): (folder / f'{at}.csv').touch()\ntime.sleep(60)",
        """
kept = []
for at in range(20):
    file = open(folder / 'gone', 'wb'); os.unlink(folder / 'gone'); kept.append(file)
    file.write(bytes(1 << 20)); file.flush()
time.sleep(60)""",
        "place = folder\nfor at in range(40): place = place / 'd'; place.mkdir()\ntime.sleep(60)",
        """
(folder / 'shut').mkdir(); (folder / 'shut' / 'x').write_bytes(bytes(7 << 20)); (folder / 'shut').chmod(0)
(folder / 'y').write_bytes(bytes(7 << 20))
time.sleep(60)""",
    ],
    ids=["one file", "many files", "ten thousand files", "unlinked files", "deep folders", "a shut folder"],
)
def test_too_much_output_is_named_as_such(containers: Containers, script):
    outcome, _ = containers.end(script)

    assert outcome.reason is Reason.OUTPUT_TOO_LARGE


def test_ten_gigabytes_at_once_are_an_error_of_the_program(containers: Containers):
    """A file never gets larger than the limit, not even one that holds nothing; its program is told."""
    outcome, text = containers.end("""
try: open(folder / 'big.npy', 'wb').truncate(10 << 30)
except OSError as error: say(error.strerror); sys.exit(7)
""")

    assert (outcome.reason, outcome.exit_code, text) == (Reason.NONZERO_EXIT, 7, "File too large\n")


@pytest.mark.parametrize(
    "script",
    [
        "os.symlink('/etc/passwd', folder / 'result.csv')",
        "os.symlink('/grid/params.json', folder / 'meta.json')",
        "(folder / 'a.csv').write_text('x'); os.link(folder / 'a.csv', folder / 'b.csv')",
        "os.mkfifo(folder / 'result.csv')",
        "socket.socket(socket.AF_UNIX).bind(str(folder / 'result.csv'))",
        "(folder / 'inner').mkdir()",
        "(folder / 'page.html').write_text('<script>')",
        "(folder / '..csv').write_text('x')",
        "(folder / '-rf.csv').write_text('x')",
        "(folder / 'a b;c.csv').write_text('x')",
        "open(os.fsencode(folder) + b'/\\xff\\xfe.csv', 'w')",
        "open(os.fsencode(folder) + b'/new\\nline.csv', 'w')",
        "(folder / 'data.pkl').write_bytes(b'x')",
    ],
)
def test_output_that_may_not_be_stored_is_refused(containers: Containers, tmp_path, script):
    run = containers.start(script)
    outcome, text = read_to_end(run)
    assert outcome.reason is Reason.OK, text

    with pytest.raises(OutputError) as caught:
        run.collect(LocalArtifactStore(tmp_path / "artifacts"), "jobs/1/1")
    assert caught.value.reason is Reason.BAD_OUTPUT


def test_log_lines_without_end_and_without_number_are_cut(containers: Containers):
    outcome, text = containers.end(
        """
sys.stdout.write("x" * 300_000)
for at in range(200_000): sys.stdout.write("y" * 100 + "\\n")
say("::progress 1.0")
""",
        log_bytes=20_000,
    )

    assert outcome.reason is Reason.OK
    assert text.endswith("[the log is cut here: more than 20000 bytes]\n")
    assert len(text) < 21_000


def test_a_flood_of_log_ends_at_the_deadline_and_holds_nobody_up(containers: Containers):
    outcome, text = containers.end("line = b'z' * 65536\nwhile True: os.write(1, line)", wall_s=3.0, log_bytes=20_000)

    assert outcome.reason is Reason.WALL_TIMEOUT
    assert len(text) < 21_000


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_killed_watchdog_leaves_no_container(containers: Containers, stage):
    run = containers.start("say('up'); time.sleep(60)")
    if stage == "after":
        wait_for_start(run)
    else:
        wait_until(lambda: bool(containers.list_all()), "it was created")
    os.kill(run.pid, signal.SIGKILL)
    outcome, _ = read_to_end(run)

    assert outcome.reason is Reason.INFRA
    wait_until(lambda: not containers.list_all(), "the container was removed")


def test_a_second_container_of_an_attempt_is_refused_and_the_first_goes_on(containers: Containers):
    claim = Claim(uuid4(), 1)
    first = containers.start("say('up'); time.sleep(1)", claim=claim)
    wait_for_start(first)
    second, _ = read_to_end(containers.start("say('up')", claim=claim))
    outcome, _ = read_to_end(first)

    assert (second.reason, outcome.reason) == (Reason.INFRA, Reason.OK)
    assert "there already" in second.message


@pytest.mark.parametrize(
    "pin",
    [
        ImagePin("nobody/such:1", "sha256:" + "0" * 64, None),
        ImagePin("nobody:1", None, "sha256:" + "0" * 64),
        ImagePin("grid-test:script", "sha256:" + "0" * 64, None),
    ],
)
def test_an_image_that_is_not_there_is_unavailable_and_never_pulled(containers: Containers, pin):
    outcome, _ = containers.end("", pin=pin)

    assert outcome.reason is Reason.IMAGE_UNAVAILABLE


def test_a_paused_container_ends_at_its_deadline(containers: Containers):
    run = containers.start("time.sleep(60)", wall_s=4.0)
    wait_for_start(run)
    (shown,) = containers.list_all()
    containers.engine.post(f"/containers/{shown['Id']}/pause")
    outcome, _ = read_to_end(run)

    assert outcome.reason is Reason.WALL_TIMEOUT


def test_a_container_that_somebody_removed_is_no_fault_of_the_job(containers: Containers):
    run = containers.start("say('up'); time.sleep(60)")
    wait_for_text(run, "up")
    (shown,) = containers.list_all()
    containers.engine.delete(f"/containers/{shown['Id']}", force=1)
    outcome, _ = read_to_end(run)

    assert outcome.reason is Reason.INFRA
