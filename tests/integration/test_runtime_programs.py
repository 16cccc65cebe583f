"""Local programs behind their watchdog: limited, ended in time whoever is dead, and nothing of them left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from grid.runtime.collector import OutputError, OutputTooLargeError
from grid.runtime.processes import find_start_time, is_same_process
from grid.runtime.programs import Program, ProgramLimits, ProgramRun, find_program, make_sample_program
from grid.runtime.store import LocalArtifactStore
from grid.runtime.watched_run import ProgramEnded, ProgramLog, ProgramProgress, ProgramStarted
from grid.schemas.jobs import Reason

ROOT = Path(__file__).parents[2]
LIMITS = ProgramLimits(wall_s=60.0, memory_bytes=1 << 30, output_bytes=1 << 20, grace_s=0.5)

Start = Callable[..., ProgramRun]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a script with `params`, `folder` and the usual modules at hand."""
    runs: list[ProgramRun] = []

    def start(script: str, params: dict | None = None, **limits) -> ProgramRun:
        runs.append(ProgramRun(make_program(tmp_path, script), params or {}, home, replace_limits(**limits)))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()
    assert list((home / "run" / "scratch").iterdir()) == []


def make_program(folder: Path, script: str) -> Program:
    file = folder / f"program{len(list(folder.glob('program*')))}.py"
    head = """
    import json, os, pathlib, signal, subprocess, sys, time
    params = json.loads(pathlib.Path(sys.argv[sys.argv.index("--params") + 1]).read_text())
    folder = pathlib.Path(sys.argv[sys.argv.index("--output_dir") + 1])
    def say(*words): print(*words, flush=True)
    """
    file.write_text(dedent(head) + dedent(script), encoding="utf-8")
    return Program("test", (sys.executable, "-I", str(file)))


def replace_limits(**changes) -> ProgramLimits:
    from dataclasses import replace

    return replace(LIMITS, **changes)


def read_to_end(run: ProgramRun) -> list:
    messages = []
    while run.poll(40.0):
        messages.append(run.receive())
        if isinstance(messages[-1], ProgramEnded):
            return messages
    raise AssertionError(f"the program did not end: {messages}")


def text_of(messages: list) -> str:
    return "".join(message.text for message in messages if isinstance(message, ProgramLog))


def outcome_of(messages: list):
    return messages[-1].outcome


def wait_for_text(run: ProgramRun, text: str) -> str:
    seen = ""
    while text not in seen and run.poll(30.0):
        message = run.receive()
        assert not isinstance(message, ProgramEnded), message
        seen += message.text if isinstance(message, ProgramLog) else ""
    assert text in seen
    return seen


def eventually(claim: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(0.01)
    return claim()


# --- the contract


def test_a_program_reads_its_parameters_and_its_outputs_are_stored(start, home):
    run = start(
        """
        say("value is", params["value"])
        say("::progress 0.5")
        (folder / "result.csv").write_text(f"value\\n{params['value']}\\n")
        """,
        {"value": 7, "text": "x; rm -rf $HOME"},
    )
    messages = read_to_end(run)
    store = LocalArtifactStore(home / "artifacts")
    entries = run.collect(store, "jobs/1/1")

    assert isinstance(messages[0], ProgramStarted)
    assert (outcome_of(messages).reason, outcome_of(messages).exit_code) == (Reason.OK, 0)
    assert text_of(messages) == "value is 7\n"
    assert [message.fraction for message in messages if isinstance(message, ProgramProgress)] == [0.5]
    assert [(entry["name"], entry["size"]) for entry in entries] == [("result.csv", 8)]
    assert sorted(store.keys()) == ["jobs/1/1/grid-manifest.json", "jobs/1/1/result.csv"]
    assert outcome_of(messages).usage["max_rss_bytes"] > 0
    with pytest.raises(EOFError):
        run.receive()


def test_the_environment_is_an_allow_list_and_only_the_standard_streams_are_open(start, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/db")
    with Path(os.devnull).open("rb") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        run = start(
            """
            say(json.dumps(dict(os.environ)))
            say(json.dumps(sorted(int(name) for name in os.listdir("/proc/self/fd"))))
            say(sys.stdin.read() == "", os.getcwd() == os.environ["HOME"], os.getsid(0) == os.getpid())
            """
        )
        lines = text_of(read_to_end(run)).splitlines()
    allowed = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "HOME", "TMPDIR"}
    allowed |= {"MPLCONFIGDIR", "MPLBACKEND", "GRID_CALIBRATION"}
    pins = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS"}

    assert set(json.loads(lines[0])) <= allowed | pins
    assert json.loads(lines[1]) in ([0, 1, 2], [0, 1, 2, 3])  # 3: the listing itself
    assert lines[2] == "True True True"


@pytest.mark.parametrize(
    ("script", "reason", "exit_code", "number"),
    [
        ("sys.exit(0)", Reason.OK, 0, None),
        ("sys.exit(2)", Reason.NONZERO_EXIT, 2, None),
        ("raise RuntimeError('no')", Reason.NONZERO_EXIT, 1, None),
        ("sys.exit(137)", Reason.NONZERO_EXIT, 137, None),  # a code that looks like a kill is none
        ("os.kill(os.getpid(), signal.SIGKILL)", Reason.NONZERO_EXIT, None, 9),
        ("os.abort()", Reason.NONZERO_EXIT, None, 6),
    ],
)
def test_an_end_is_told_by_code_or_signal(start, script, reason, exit_code, number):
    outcome = outcome_of(read_to_end(start(script)))

    assert (outcome.reason, outcome.exit_code, outcome.signal) == (reason, exit_code, number)


def test_a_program_that_is_not_there_is_the_services_fault(home):
    run = ProgramRun(Program("none", ("/no/such/program",)), {}, home, LIMITS)
    outcome = outcome_of(read_to_end(run))
    run.close()

    assert outcome.reason is Reason.INFRA
    assert "/no/such" not in outcome.message


# --- limits


def test_the_wall_limit_ends_a_program_that_ignores_signals(start):
    script = """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
    say("up")
    time.sleep(60)
    """
    outcome = outcome_of(read_to_end(start(script, wall_s=1.0)))

    assert (outcome.reason, outcome.signal) == (Reason.WALL_TIMEOUT, signal.SIGKILL)


@pytest.mark.parametrize("handler", ["", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)"])
def test_the_processor_limit_is_named_as_such(start, handler):
    outcome = outcome_of(read_to_end(start(f"{handler}\nwhile True: pass", cpu_s=1.0)))

    assert outcome.reason is Reason.CPU_TIMEOUT


def test_memory_over_the_limit_is_measured_over_all_processes_and_called_oom(start):
    script = """
    if os.fork() == 0:
        os.setsid()
    kept = [bytearray(1 << 20) for _ in range(150)]
    time.sleep(60)
    """
    outcome = outcome_of(read_to_end(start(script, memory_bytes=250 << 20)))

    assert outcome.reason is Reason.OOM


def test_too_much_memory_is_oom_however_late_anybody_looks(start):
    """Allocate and be gone before the first look; the limits of time and memory are both passed in the second run."""
    script = "kept = bytearray(200 << 20)\nfor i in range(0, len(kept), 4096): kept[i] = 1\n"
    quick = start(script + "os.kill(os.getpid(), signal.SIGKILL)", memory_bytes=100 << 20)
    os.kill(quick.pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(quick.pid, signal.SIGCONT)
    assert outcome_of(read_to_end(quick)).reason is Reason.OOM

    slow = start("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + script + "say('full')\ntime.sleep(60)", wall_s=2.0)
    wait_for_text(slow, "full")
    os.kill(slow.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(slow.pid, signal.SIGCONT)
    assert outcome_of(read_to_end(slow)).reason is Reason.WALL_TIMEOUT  # within its memory


@pytest.mark.parametrize(
    "script",
    [
        "os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)",
        "os.kill(os.getppid(), signal.SIGSEGV); time.sleep(60)",
    ],
)
def test_a_program_that_ends_its_watchdog_fails_by_its_own_fault(start, script):
    run = start(script)
    assert outcome_of(read_to_end(run)).reason is Reason.BAD_OUTPUT


@pytest.mark.parametrize(
    "script",
    [
        "folder.rmdir()",
        "folder.rmdir(); folder.write_text('x')",
        "folder.rmdir(); folder.symlink_to('/')",
        "folder.rename(folder.parent / 'other'); folder.mkdir()",
        "(folder / 'result.csv').mkdir()",
        "(folder / 'result.csv').symlink_to('/etc/passwd')",
        "os.mkfifo(folder / 'result.csv')",
    ],
)
def test_a_program_that_tampers_with_its_output_folder_has_bad_output(start, home, script):
    run = start(script)
    ended = outcome_of(read_to_end(run))
    assert ended.reason is Reason.OK
    with pytest.raises(OutputError) as caught:
        run.collect(LocalArtifactStore(home / "artifacts"), "jobs/1")
    assert caught.value.reason is Reason.BAD_OUTPUT


@pytest.mark.parametrize(
    "script",
    [
        "(pathlib.Path(os.environ['TMPDIR']) / f'part{i}').write_bytes(bytes(1 << 19))",
        "import tempfile; kept.append(tempfile.TemporaryFile()); kept[-1].write(bytes(1 << 19)); kept[-1].flush()",
        "shut(i)",
    ],
    ids=["files", "unlinked files", "a folder that is shut"],
)
def test_temporary_files_count_against_the_quota(start, script):
    head = """
    kept = []
    def shut(number):
        place = folder / f"shut{number}"
        place.mkdir()
        (place / "x").write_bytes(bytes(1 << 19))
        place.chmod(0)
    for i in range(4): """
    outcome = outcome_of(read_to_end(start(head + script + "\n    time.sleep(60)")))
    assert outcome.reason is Reason.OUTPUT_TOO_LARGE
    assert outcome.usage["written_bytes"] > LIMITS.output_bytes


def test_a_file_beyond_the_cap_ends_as_output_too_large(start):
    outcome = outcome_of(read_to_end(start("(folder / 'big.npy').write_bytes(bytes(1 << 21))")))

    assert outcome.reason is Reason.OUTPUT_TOO_LARGE


def test_many_files_beyond_the_cap_end_the_run(start):
    script = """
    for i in range(4): (folder / f"part{i}.npy").write_bytes(bytes(1 << 19))
    time.sleep(60)
    """
    assert outcome_of(read_to_end(start(script))).reason is Reason.OUTPUT_TOO_LARGE


def test_a_chatty_program_is_cut_and_still_ends_well(start):
    script = """
    for i in range(20_000): print("x" * 100)
    print("y" * 50_000)
    say("::progress 1.0")
    """
    messages = read_to_end(start(script, log_bytes=10_000))

    assert outcome_of(messages).reason is Reason.OK
    assert text_of(messages).endswith("[the log is cut here: more than 10000 bytes]\n")
    assert 9_000 < len(text_of(messages)) < 10_100
    assert messages[-2] == ProgramProgress(1.0)


# --- ends


def test_cancel_lets_a_program_write_its_last_line(start):
    run = start(
        """
        def goodbye(*_):  # print() may be in the middle of saying "up"
            os.write(1, b"goodbye\\n")
            os._exit(0)
        signal.signal(signal.SIGTERM, goodbye)
        say("up")
        time.sleep(60)
        """,
        grace_s=30.0,
    )
    wait_for_text(run, "up")
    run.cancel()
    messages = read_to_end(run)

    assert (outcome_of(messages).reason, outcome_of(messages).exit_code) == (Reason.CANCELLED_BY_USER, 0)
    assert text_of(messages) == "goodbye\n"


def test_cancel_ends_the_whole_family_after_the_grace(start):
    """Children in the group, and one that left it for a session of its own."""
    run = start(
        """
        for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
            time.sleep(60)
            os._exit(0)
        say("up", os.getpid())
        time.sleep(60)
        """
    )
    wait_for_text(run, "up")
    from grid.runtime.processes import find_descendants

    assert eventually(lambda: len(find_descendants(run.pid)) == 3)
    family = {pid: find_start_time(pid) for pid in find_descendants(run.pid)}
    run.cancel()
    run.cancel()
    outcome = outcome_of(read_to_end(run))

    assert (outcome.reason, outcome.signal) == (Reason.CANCELLED_BY_USER, signal.SIGKILL)
    assert not any(is_same_process(pid, born) for pid, born in family.items())


def test_who_a_program_leaves_behind_does_not_outlive_it(start):
    run = start(
        """
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
            os._exit(0)
        say("up")
        """
    )
    outcome = outcome_of(read_to_end(run))

    assert outcome.reason is Reason.OK
    run.close()
    assert outcome.usage["wall_s"] < 50


def test_a_killed_watchdog_takes_the_program_along_and_fails_the_run_once(start):
    run = start("say('up')\ntime.sleep(60)")
    wait_for_text(run, "up")
    started = run._started
    os.kill(run.pid, signal.SIGKILL)

    assert outcome_of(read_to_end(run)).reason is Reason.BAD_OUTPUT
    assert eventually(lambda: not is_same_process(started.pid, started.start_time))


def test_kill_ends_everything_and_removes_the_folder(start):
    run = start("say('up')\ntime.sleep(60)")
    wait_for_text(run, "up")
    started = run._started
    run.kill()
    run.kill()

    # it is dead at once, and gone when the system's first process has collected it
    assert eventually(lambda: not is_same_process(started.pid, started.start_time))
    assert not run.folder.exists()


SUPERVISOR = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.integration.test_runtime_programs import *
program = make_program(Path(sys.argv[1]), "say('up')\\ntime.sleep(60)")
run = ProgramRun(program, {{}}, Path(sys.argv[1]) / "home", replace_limits(wall_s=float(sys.argv[2])))
wait_for_text(run, "up")
print(json.dumps([run.pid, run._started.pid]), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("word", [signal.SIGKILL, signal.SIGSTOP])
def test_a_program_ends_without_its_supervisor(tmp_path, word):
    """At once where the supervisor is dead; at the deadline where it merely hangs."""
    wall_s = "1.5" if word == signal.SIGSTOP else "60"
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path), wall_s], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        watchdog, program = json.loads(supervisor.stdout.readline())
        born = {pid: find_start_time(pid) for pid in (watchdog, program)}
        os.kill(supervisor.pid, word)

        assert eventually(lambda: not is_same_process(program, born[program]))
        supervisor.kill()
        assert eventually(lambda: not is_same_process(watchdog, born[watchdog]))


# --- what is stored


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("os.symlink('/etc/passwd', folder / 'result.csv')", OutputError),
        ("(folder / 'a.csv').write_text('x'); os.link(folder / 'a.csv', folder / 'b.csv')", OutputError),
        ("(folder / 'page.html').write_text('<script>')", OutputError),
        ("os.mkfifo(folder / 'result.csv')", OutputError),
        ("(folder / 'inner').mkdir()", OutputError),
        ("[(folder / f'{i}.csv').touch() for i in range(65)]", OutputTooLargeError),
    ],
)
def test_a_treacherous_output_is_refused_by_its_kind(start, home, script, error):
    run = start(script)
    read_to_end(run)
    store = LocalArtifactStore(home / "artifacts")

    with pytest.raises(error) as caught:
        run.collect(store, "jobs/1/1")
    assert type(caught.value) is error
    assert not list(store.keys("jobs/1/1/grid-manifest.json"))


def test_the_sample_simulation_runs_as_the_listed_program(home):
    program = find_program("sim:local")
    run = ProgramRun(program, {"time_steps": 5, "spatial_steps": 11}, home, replace_limits(output_bytes=64 << 20))
    messages = read_to_end(run)
    store = LocalArtifactStore(home / "artifacts")
    assert outcome_of(messages).reason is Reason.OK, text_of(messages)
    entries = {entry["name"]: entry for entry in run.collect(store, "jobs/1/1")}
    run.close()

    assert set(entries) == {"result.csv", "meta.json", "simulation_results.png", "temperature_field.npy"}
    with store.open(entries["temperature_field.npy"]["key"]) as blob:
        field = np.load(blob)
    assert (field.shape, field.dtype) == ((6, 11), np.float64)
    fractions = [message.fraction for message in messages if isinstance(message, ProgramProgress)]
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)


def test_a_parameter_that_the_sample_refuses_is_in_the_log(home):
    run = ProgramRun(make_sample_program(), {"spatial_steps": 1}, home, LIMITS)
    messages = read_to_end(run)
    run.close()

    assert (outcome_of(messages).reason, outcome_of(messages).exit_code) == (Reason.NONZERO_EXIT, 2)
    assert "spatial_steps" in text_of(messages)


def test_a_promised_output_that_is_missing_is_refused(home, tmp_path):
    script = make_program(tmp_path, "pass")
    run = ProgramRun(Program("test", script.argv, required=("result.csv",)), {}, home, LIMITS)
    read_to_end(run)
    with pytest.raises(OutputError, match=r"result\.csv"):
        run.collect(LocalArtifactStore(home / "artifacts"), "jobs/1/1")
    run.close()
