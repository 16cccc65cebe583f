"""Start of a hardened container beside plain `docker run` of the same image, in turn, on this machine's engine:

    python -m benchmarks.containers [--repeats 20]

Both run one Python that says a word and ends. `docker run` is timed from its command line to the word and to its end, a
run of Grid from the call that starts it (its watchdog's process included) to the word and to its outcome.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from uuid import uuid4

from tests.support.docker_runs import LIMITS, Containers, build_image, open_containers

from benchmarks.runs import Run
from benchmarks.table import Bar, Row, render_table
from grid.runtime.containers import ContainerRun
from grid.runtime.watched_run import ProgramEnded, ProgramLog, ProgramStarted
from grid.schemas.jobs import Claim, Reason

SAY = "print('here', flush=True)"
PLAIN = f"import json, sys; {SAY}"  # what the image of scripts imports as well
LEAST_BAR = 0.1  # [s] over plain, where that is more than 10 %

Times = dict[str, float]


def time_plain(image: str, *options: str) -> Times:
    """Return the seconds of a `docker run` to its first word and to its end."""
    began = perf_counter()
    command = ["docker", "run", "--rm", *options, image, "python3", "-c", PLAIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        word = process.stdout.readline()
        times = {"word": perf_counter() - began}
        process.wait()
    assert (word, process.returncode) == (b"here\n", 0)
    return {**times, "end": perf_counter() - began}


def time_hardened(containers: Containers) -> Times:
    """Return the seconds of a run of Grid to its start, its first word and its end."""
    began = perf_counter()
    run = ContainerRun(containers.host, containers.pin, Claim(uuid4(), 1), {"script": SAY}, LIMITS)
    times: Times = {}
    names = {ProgramStarted: "started", ProgramLog: "word", ProgramEnded: "end"}
    while "end" not in times and run.poll(60.0):
        message = run.receive()
        times.setdefault(names.get(type(message), "other"), perf_counter() - began)
        assert not isinstance(message, ProgramEnded) or message.outcome.reason is Reason.OK, message
    run.close()
    return times


def measure(repeats: int) -> list[Row]:
    """Time all in turn; the first of each warms up and does not count."""
    image = build_image()
    host = os.environ.get("DOCKER_HOST")
    with tempfile.TemporaryDirectory() as folder, open_containers(Path(folder), host, image) as containers:
        sides: dict[str, Callable[[], Times]] = {
            "docker run": lambda: time_plain(image),
            "docker run --network none": lambda: time_plain(image, "--network", "none"),
            "grid": lambda: time_hardened(containers),
        }
        turns = [{name: side() for name, side in sides.items()} for _ in range(repeats + 1)][1:]
    rows = []
    for own, other, title in (
        ("started", "word", "until every flag is confirmed"),
        ("word", "word", "to its first word"),
        ("end", "end", "to its end"),
    ):
        ours = [turn["grid"][own] for turn in turns]
        for name in list(sides)[:2]:
            theirs = [turn[name][other] for turn in turns]
            bar = Bar("at most", round(max(1.1, 1 + LEAST_BAR / median(theirs)), 3))
            peer = f"{name} of the same image, to its {'end' if other == 'end' else 'first word'}"
            is_plain = name == "docker run"
            rows.append(Row(f"hardened container, {title}", "s", ours, peer, theirs, bar if is_plain else None))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.containers", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    run = Run()
    rows = measure(options.repeats)
    print(f"{render_table(rows)}\n\n{run.describe('containers')}")


if __name__ == "__main__":
    main()
