"""The hardening of containers: every flag of the list is asked for, and a change of any of them is noticed."""

import copy
from pathlib import Path

import pytest
from tests.doubles.docker_engine import IMAGE, MemoryContainer, MemoryEngine

from grid.runtime.container_spec import OUTPUT, PARAMS, TMP, ContainerSpec, find_differences, find_unfit, make_body

CONFIG = {"Cmd": ["python", "run.py"], "Env": ["PATH=/bin", "HOME=/root"]}
SPEC = ContainerSpec(
    name="grid-a-b-1",
    image_id=IMAGE,
    labels={"grid.job": "b"},
    user=200_001,
    params="/data/params.json",
    output="/data/output",
    memory_bytes=64 << 20,
    cpus=0.5,
    cpu_s=33.2,
    pids=16,
    tmp_bytes=8 << 20,
    output_bytes=1 << 20,
    environment={"HOME": TMP},
)


@pytest.fixture
def engine(tmp_path: Path):
    engine = MemoryEngine(tmp_path)
    engine.images[IMAGE]["Config"] = CONFIG
    yield engine
    engine.close()


def inspect(engine: MemoryEngine, **changes: object) -> dict:
    container = MemoryContainer("c", SPEC.name, make_body(SPEC, CONFIG), changes=changes)
    return engine.describe(container)


def test_every_flag_of_the_list_is_asked_for():
    body = make_body(SPEC, CONFIG)
    host = body["HostConfig"]

    assert body["Cmd"] == ["python", "run.py", "--params", PARAMS, "--output_dir", OUTPUT]
    assert (body["User"], body["Env"], body["NetworkDisabled"]) == ("200001:200001", ["HOME=/tmp"], True)
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["IpcMode"]) == ("none", True, "none")
    assert (host["CapDrop"], host["SecurityOpt"], host["Privileged"]) == (["ALL"], ["no-new-privileges"], False)
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"], host["NanoCpus"]) == (64 << 20, 64 << 20, 16, 5e8)
    assert host["Tmpfs"] == {TMP: f"rw,noexec,nosuid,nodev,size={8 << 20}"}
    assert {limit["Name"]: (limit["Soft"], limit["Hard"]) for limit in host["Ulimits"]} == {
        "nofile": (256, 256), "core": (0, 0), "fsize": (1 << 20, 1 << 20), "cpu": (33, 35),
    }  # fmt: skip
    assert [(one["Target"], one["ReadOnly"]) for one in host["Mounts"]] == [(PARAMS, True), (OUTPUT, False)]
    assert (host["RestartPolicy"]["Name"], host["AutoRemove"], host["Init"]) == ("no", False, True)
    assert host["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "1"}
    assert (body["StopTimeout"], body["Healthcheck"]) == (10, {"Test": ["NONE"]})


def test_a_container_that_is_as_it_was_asked_for_has_no_differences(engine):
    assert find_differences(inspect(engine), make_body(SPEC, CONFIG), CONFIG) == []


HOST = {
    "NetworkMode": "bridge",
    "ReadonlyRootfs": False,
    "CapDrop": None,
    "CapAdd": ["SYS_ADMIN"],
    "SecurityOpt": [],
    "MaskedPaths": [],
    "ReadonlyPaths": None,
    "Privileged": True,
    "PidsLimit": None,
    "Memory": 0,
    "MemorySwap": -1,
    "NanoCpus": 0,
    "IpcMode": "private",
    "PidMode": "host",
    "UTSMode": "host",
    "CgroupnsMode": "host",
    "Ulimits": [],
    "Tmpfs": {TMP: "rw"},
    "Binds": ["/:/host"],
    "Devices": [{"PathOnHost": "/dev/sda"}],
    "DeviceRequests": [{"Count": -1}],
    "GroupAdd": ["0"],
    "PortBindings": {"80/tcp": []},
    "PublishAllPorts": True,
    "LogConfig": {"Type": "json-file", "Config": {}},
    "RestartPolicy": {"Name": "always"},
    "AutoRemove": True,
    "OomKillDisable": True,
    "Sysctls": {"kernel.shm_rmid_forced": "1"},
    "Init": None,
}


@pytest.mark.parametrize(("name", "value"), HOST.items())
def test_a_flag_that_the_engine_did_not_keep_is_noticed(engine, name, value):
    wrong = find_differences(inspect(engine, **{name: value}), make_body(SPEC, CONFIG), CONFIG)

    assert wrong == ["SecurityOpt" if name in {"MaskedPaths", "ReadonlyPaths"} else name]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"Config": {"User": "0"}}, "User"),
        ({"Config": {"Env": ["HOME=/tmp", "PATH=/bin", "AWS_SECRET=x"]}}, "Env"),
        ({"Config": {"Env": ["PATH=/bin"]}}, "Env"),
        ({"Config": {"Cmd": ["sh"]}}, "Cmd"),
        ({"Config": {"Entrypoint": ["sh"]}}, "Entrypoint"),
        ({"Config": {"Volumes": {"/data": {}}}}, "Volumes"),
        ({"Config": {"Healthcheck": {"Test": ["CMD", "sh"]}}}, "Healthcheck"),
        ({"Config": {"Labels": {}}}, "Labels"),
        ({"Config": {"OpenStdin": True}}, "OpenStdin"),
        ({"Image": "sha256:" + "cd" * 32}, "Image"),
        ({"Mounts": [{"Type": "bind", "Source": "/", "Destination": OUTPUT, "RW": True}]}, "Mounts"),
        ({"Mounts": []}, "Mounts"),
    ],
)
def test_anything_else_that_differs_is_noticed(engine, change, name):
    inspected = copy.deepcopy(inspect(engine))
    for part, values in change.items():
        inspected[part] = {**inspected[part], **values} if isinstance(values, dict) else values

    assert find_differences(inspected, make_body(SPEC, CONFIG), CONFIG) == [name]


def test_parameters_that_may_be_changed_are_a_difference(engine):
    inspected = inspect(engine)
    inspected["Mounts"][0]["RW"] = True

    assert find_differences(inspected, make_body(SPEC, CONFIG), CONFIG) == ["Mounts"]


def test_unlimited_swap_is_allowed_only_where_the_kernel_has_no_limit_of_it(engine):
    inspected = inspect(engine, MemorySwap=-1)

    assert find_differences(inspected, make_body(SPEC, CONFIG), CONFIG, has_swap_limit=False) == []
    assert find_differences(inspected, make_body(SPEC, CONFIG), CONFIG) == ["MemorySwap"]


def test_other_words_of_newer_engines_are_the_same(engine):
    newer = inspect(engine, SecurityOpt=["no-new-privileges:true"], CapAdd=None, Devices=[], Binds=None, PidMode="")
    newer["Mounts"].append({"Type": "tmpfs", "Source": "", "Destination": TMP, "RW": True})

    assert find_differences(newer, make_body(SPEC, CONFIG), CONFIG) == []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"Os": "windows", "Config": CONFIG}, "Linux"),
        ({"Os": "linux", "Config": {**CONFIG, "Volumes": {"/data": {}}}}, "volumes"),
        ({"Os": "linux", "Config": {"Env": []}}, "no command"),
        ({"Os": "linux", "Config": None}, "no command"),
    ],
)
def test_an_image_that_cannot_run_as_a_job_says_why(image, words):
    assert words in (find_unfit(image) or "")
    assert find_unfit({"Os": "linux", "Config": {"Entrypoint": ["run"]}}) is None
