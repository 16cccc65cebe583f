"""The hardening of a container: what is asked of the engine for every run, and whether the engine did just that.

Each flag is written once, in `make_body`. `find_differences` compares what the engine says of the container with it, so
that a flag which an engine ignores, or a proxy before it changes, ends the run instead of weakening it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

PARAMS, OUTPUT = "/grid/params.json", "/grid/output"  # within the container
TMP = "/tmp"  # noqa: S108 - of the container
STOP_TIMEOUT_S = 10
OPEN_FILES = 256
LABEL: Final = "grid."
INSTALLATION, JOB, EPOCH, DEADLINE = (LABEL + name for name in ("installation", "job", "epoch", "deadline"))
_ABSENT: Final[tuple[object, ...]] = (None, [], {}, "", 0, False)  # forms in which engines say that nothing was set


@dataclass(frozen=True)
class ContainerSpec:
    """One run in a container.

    Args:
        name: Of the container; a second one of the same name is refused by the engine.
        image_id: What runs, by its content.
        labels: By which containers are found again.
        user: The user and group id of its processes.
        params, output: Files of this machine: the parameters, and the folder that the run writes to.
        memory_bytes: Of all its processes, `/tmp` included; it has no swap beyond.
        cpus: Processors.
        cpu_s: Processor seconds of one process.
        pids: Processes and threads.
        tmp_bytes: Of `/tmp`.
        output_bytes: Of one file; all of them together are measured while it runs.
        environment: Variables beside those of the image.
    """

    name: str
    image_id: str
    labels: Mapping[str, str]
    user: int
    params: str
    output: str
    memory_bytes: int
    cpus: float
    cpu_s: float
    pids: int
    tmp_bytes: int
    output_bytes: int
    environment: Mapping[str, str] = field(default_factory=dict)


def make_body(spec: ContainerSpec, image: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that creates the container.

    Args:
        spec: The run.
        image: The configuration of its image, as the engine describes it: its own command gets the two flags.
    """
    return {
        "Image": spec.image_id,
        "Cmd": [*(image.get("Cmd") or ()), "--params", PARAMS, "--output_dir", OUTPUT],
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "User": f"{spec.user}:{spec.user}",
        "Hostname": "grid",
        "Labels": dict(spec.labels),
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": "SIGTERM",
        "StopTimeout": STOP_TIMEOUT_S,
        "Tty": False,
        "OpenStdin": False,
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "NetworkDisabled": True,
        "HostConfig": _make_host_config(spec),
    }


def _make_host_config(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": spec.pids,
        "Memory": spec.memory_bytes,
        "MemorySwap": spec.memory_bytes,
        "NanoCpus": round(spec.cpus * 1e9),
        "IpcMode": "none",
        "CgroupnsMode": "private",
        "Ulimits": [
            _limit("nofile", OPEN_FILES),
            _limit("core", 0),
            _limit("fsize", spec.output_bytes),
            {"Name": "cpu", "Soft": (seconds := max(1, round(spec.cpu_s))), "Hard": seconds + 2},  # SIGXCPU, SIGKILL
        ],
        "Tmpfs": {TMP: f"rw,noexec,nosuid,nodev,size={spec.tmp_bytes}"},
        "Mounts": [_bind(spec.params, PARAMS, is_read_only=True), _bind(spec.output, OUTPUT, is_read_only=False)],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "Privileged": False,
        "PublishAllPorts": False,
        "OomKillDisable": False,
        "Init": True,
    }


def _limit(name: str, value: int) -> dict[str, Any]:
    return {"Name": name, "Soft": value, "Hard": value}


def _bind(source: str, target: str, *, is_read_only: bool) -> dict[str, Any]:
    propagation = {"Propagation": "rprivate"}
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": is_read_only, "BindOptions": propagation}


# What must not be there, whatever the engine's defaults are.
_EMPTY_HOST = (
    "Binds", "PortBindings", "VolumesFrom", "CapAdd", "Devices", "DeviceRequests", "DeviceCgroupRules", "GroupAdd",
    "ExtraHosts", "Links", "PidMode", "UTSMode", "CgroupParent", "Sysctls", "Privileged", "PublishAllPorts",
    "OomKillDisable", "AutoRemove", "StorageOpt",
)  # fmt: skip
_SAME_HOST = (
    "NetworkMode", "ReadonlyRootfs", "CapDrop", "PidsLimit", "Memory", "NanoCpus", "IpcMode", "CgroupnsMode",
    "Tmpfs", "LogConfig", "Init",
)  # fmt: skip
_SAME_CONFIG = ("User", "Hostname", "Cmd", "Healthcheck", "StopSignal", "StopTimeout", "Tty", "OpenStdin")


def find_differences(
    inspected: Mapping[str, Any], body: Mapping[str, Any], image: Mapping[str, Any], *, has_swap_limit: bool = True
) -> list[str]:
    """Return the names of all settings of a container that are not those that were asked for.

    Args:
        inspected: The container, as the engine describes it.
        body: The request that created it.
        image: The configuration of its image, whose environment and entry point it has as well.
        has_swap_limit: False where the engine said that its kernel cannot limit swap.
    """
    host, asked = inspected.get("HostConfig") or {}, body["HostConfig"]
    config = inspected.get("Config") or {}
    wrong = [name for name in _EMPTY_HOST if host.get(name) not in _ABSENT]
    wrong += [name for name in _SAME_HOST if host.get(name) != asked[name]]
    wrong += [name for name in _SAME_CONFIG if config.get(name) != body[name]]
    swap = (asked["MemorySwap"],) if has_swap_limit else (asked["MemorySwap"], -1)
    checks = {
        "MemorySwap": host.get("MemorySwap") in swap,
        "Ulimits": _sorted(host.get("Ulimits")) == _sorted(asked["Ulimits"]),
        "SecurityOpt": _is_confined(host),
        "RestartPolicy": (host.get("RestartPolicy") or {}).get("Name") in ("no", ""),
        "Mounts": _mounts(inspected) == _asked_mounts(asked["Mounts"]),
        "Env": sorted(config.get("Env") or ()) == sorted(_merge(image.get("Env") or (), body["Env"])),
        "Entrypoint": (config.get("Entrypoint") or None) == (image.get("Entrypoint") or None),
        "Volumes": not config.get("Volumes"),
        "Labels": dict(body["Labels"]).items() <= (config.get("Labels") or {}).items(),
        "Image": inspected.get("Image") == body["Image"],
    }
    return wrong + [name for name, is_same in checks.items() if not is_same]


def _is_confined(host: Mapping[str, Any]) -> bool:
    options = [str(option).replace(":true", "").replace("=true", "") for option in host.get("SecurityOpt") or ()]
    is_masked = "/proc/kcore" in (host.get("MaskedPaths") or ()) and "/proc/sys" in (host.get("ReadonlyPaths") or ())
    return options == ["no-new-privileges"] and is_masked


def _sorted(limits: Sequence[Mapping[str, Any]] | None) -> list[tuple[Any, ...]]:
    return sorted((limit.get("Name"), limit.get("Soft"), limit.get("Hard")) for limit in limits or ())


def _mounts(inspected: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """Return every mount but `/tmp`, which some engines list as well."""
    return {
        (mount.get("Type"), mount.get("Source"), mount.get("Destination"), mount.get("RW"))
        for mount in inspected.get("Mounts") or ()
        if (mount.get("Type"), mount.get("Destination")) != ("tmpfs", TMP)
    }


def _asked_mounts(mounts: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    return {(mount["Type"], mount["Source"], mount["Target"], not mount["ReadOnly"]) for mount in mounts}


def _merge(image: Sequence[str], own: Sequence[str]) -> list[str]:
    """Return the environment of an image with our variables over it, as the engine joins them."""
    joined = {line.partition("=")[0]: line for line in (*image, *own)}
    return list(joined.values())


def find_unfit(image: Mapping[str, Any]) -> str | None:
    """Return why an image cannot run as a job, in one sentence; None where it can.

    Args:
        image: As the engine describes it.
    """
    config = image.get("Config") or {}
    if image.get("Os", "linux") != "linux":
        return "The image is not for Linux."
    if config.get("Volumes"):
        return "The image declares volumes, which would be writable folders without a quota."
    if not (config.get("Entrypoint") or config.get("Cmd")):
        return "The image names no command."
    return None
