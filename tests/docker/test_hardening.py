"""What a container can do: nothing but compute, read its parameters and write its output."""

import json

import pytest
from tests.support.docker_runs import Containers, read_to_end, wait_for_text, wait_until

from grid.runtime.docker_api import Engine, require_confining
from grid.runtime.store import LocalArtifactStore
from grid.schemas.jobs import Reason

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


def test_this_engine_confines(docker_host):
    assert require_confining(Engine(docker_host))


def test_a_run_reads_parameters_writes_output_and_is_seen_while_it_runs(containers: Containers, tmp_path):
    run = containers.start("""
say("::progress 0.5")
say("up")
(folder / "result.csv").write_text("a\\n1\\n")
while not (folder / "go.txt").exists(): time.sleep(0.01)
(folder / "go.txt").unlink()
""")
    wait_for_text(run, "up\n")
    (shown,) = containers.list_all()
    assert shown["State"] == "running"
    (run.output / "go.txt").touch()
    outcome, _ = read_to_end(run)

    assert (outcome.reason, outcome.exit_code) == (Reason.OK, 0)
    store = LocalArtifactStore(tmp_path / "artifacts")
    assert [(one["name"], one["size"]) for one in run.collect(store, "jobs/1/1")] == [("result.csv", 4)]
    assert containers.list_all() == []


def test_its_identity_is_a_high_user_id_without_rights(containers: Containers):
    _, text = containers.end("""
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
names = ("Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")
words = {name: status[name].strip() for name in names}
say(json.dumps(words | {"host": socket.gethostname(), "pid": os.getppid()}))
""")
    words = json.loads(text)

    assert set(words["Uid"].split()) == set(words["Gid"].split())
    assert 231_000 <= int(words["Uid"].split()[0]) < 231_008
    assert {words[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert set(words["Groups"].split()) <= set(words["Gid"].split())
    assert (words["NoNewPrivs"], words["Seccomp"], words["host"]) == ("1", "2", "grid")
    assert words["pid"] == 1  # below the init process


def test_the_environment_is_the_images_and_ours_alone(containers: Containers, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:canary@host/db")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    _, text = containers.end("say(json.dumps(dict(os.environ)))")

    environment = json.loads(text)
    assert "canary" not in text
    assert set(environment) <= {
        "PATH", "LANG", "SSL_CERT_FILE", "PYTHONDONTWRITEBYTECODE", "HOME", "TMPDIR", "HOSTNAME", "LC_CTYPE",
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS",
    }  # fmt: skip
    assert environment["HOME"] == "/tmp"  # noqa: S108 - of the container


REFUSED = {
    "write to the root": "open('/file', 'w')",
    "write to the parameters": "open('/grid/params.json', 'w')",
    "replace the parameters": "os.replace('/tmp/x', '/grid/params.json') if open('/tmp/x', 'w') else 0",
    "unlink the parameters": "os.unlink('/grid/params.json')",
    "write beside the output": "open('/grid/other', 'w')",
    "write to /usr": "open('/usr/local/bin/python3', 'a')",
    "become root": "os.setuid(0)",
    "a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "reach the network": "socket.create_connection(('192.0.2.1', 80), timeout=2)",
    "reach the engine": "socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
    "resolve a name": "socket.getaddrinfo('example.org', 80)",
    "set the clock": "time.clock_settime(time.CLOCK_REALTIME, 0)",
    "set the host's name": "socket.sethostname('other')",
    "trigger the kernel": "open('/proc/sysrq-trigger', 'w').write('b')",
    "change the kernel": "open('/proc/sys/kernel/core_pattern', 'w').write('|/tmp/x')",
    "read the kernel's memory": "assert open('/proc/kcore', 'rb').read(1)",
    "write to a cgroup": "open('/sys/fs/cgroup/memory/memory.limit_in_bytes', 'w').write('-1')",
    "make a device": "os.mknod(folder / 'null', 0o666 | 0o020000, os.makedev(1, 3))",
    "mount": "subprocess.run(['mount', '-t', 'tmpfs', 'x', '/mnt'], check=True, capture_output=True)",
    "unshare": "subprocess.run(['unshare', '-U', 'true'], check=True, capture_output=True)",
    "chroot": "os.chroot('/tmp')",
    "trace the init process": "open('/proc/1/mem', 'rb').read(1)",
    "end the init process": "os.kill(1, 9); time.sleep(0.2); open('/proc/1/status').read(); raise SystemExit(1)",
    "nice below zero": "os.setpriority(0, 0, -5)",
    "run a file of /tmp": """
pathlib.Path('/tmp/run').write_text('#!/bin/sh\\nexit 0\\n'); os.chmod('/tmp/run', 0o755)
subprocess.run(['/tmp/run'], check=True)""",
    "use shared memory": "from multiprocessing import shared_memory; shared_memory.SharedMemory(create=True, size=10)",
    "load a module": "os.listdir('/lib/modules'); subprocess.run(['insmod', 'x'], check=True)",
    "a key of the kernel": "import ctypes; assert ctypes.CDLL(None).syscall(248, b'user', b'x', b'y', 1, -3) > 0",
    "use eBPF": "import ctypes; assert ctypes.CDLL(None, use_errno=True).syscall(321, 0, 0, 0) >= 0",
    "see other users' processes": "assert len([one for one in os.listdir('/proc') if one.isdigit()]) > 3",
    "see devices": "assert {'sda', 'vda', 'mem', 'kmem', 'kmsg', 'fuse'} & set(os.listdir('/dev'))",
}


def test_everything_else_is_refused(containers: Containers):
    """One container for all of them: each is tried in a child, so that one does not spoil the next."""
    script = f"""
for name, code in {REFUSED!r}.items():
    pid = os.fork()
    if pid == 0:
        try:
            exec(code)
        except SystemExit:
            raise
        except BaseException as error:
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1] == 0:
        say(name)
"""
    outcome, text = containers.end(script)

    assert (outcome.reason, text) == (Reason.OK, "")


def test_a_set_user_id_program_gains_nothing(containers: Containers):
    outcome, text = containers.end("""
found = [name for name in ("/bin/su", "/usr/bin/passwd", "/usr/bin/newgrp", "/bin/mount") if os.path.exists(name)]
done = subprocess.run(["/bin/su", "-c", "id"], capture_output=True, stdin=subprocess.DEVNULL)
say(len(found) > 0, done.returncode != 0)
""")

    assert (outcome.reason, text) == (Reason.OK, "True True\n")


def test_two_runs_at_once_have_user_ids_of_their_own(containers: Containers):
    first = containers.start("say(os.getuid()); time.sleep(20)")
    one = wait_for_text(first, "\n")
    _, two = containers.end("say(os.getuid())")

    assert one != two


def test_parameters_are_never_words_of_a_command(containers: Containers):
    from uuid import uuid4

    from tests.support.docker_runs import HEAD, LIMITS

    from grid.runtime.containers import ContainerRun
    from grid.schemas.jobs import Claim

    hostile = {
        "script": HEAD + "say(json.dumps([sys.argv[1:], json.load(open('/grid/params.json'))['names']]))",
        "names": ["--privileged", "-v /:/host", "$(touch /tmp/x)", "`id`", "../../etc/passwd", "a\nb", "; rm -rf /"],
        "--network": "host",
    }
    run = ContainerRun(containers.host, containers.pin, Claim(uuid4(), 1), hostile, LIMITS)
    containers.runs.append(run)
    _, text = read_to_end(run)

    assert json.loads(text) == [["--params", "/grid/params.json", "--output_dir", "/grid/output"], hostile["names"]]


def test_the_engine_confirms_every_flag_of_a_running_container(containers: Containers):
    run = containers.start("say('up'); time.sleep(20)")
    wait_for_text(run, "up")
    (shown,) = containers.list_all()
    host = containers.engine.get(f"/containers/{shown['Id']}/json")["HostConfig"]

    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (96 << 20, 96 << 20, 24)
    assert (host["IpcMode"], host["Privileged"], host["SecurityOpt"]) == ("none", False, ["no-new-privileges"])
    run.kill()
    wait_until(lambda: not containers.list_all(), "it was removed")
