"""V6: commands of several clients while a run ticks: acknowledged, applied at their ticks, each once."""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.bare import measure_commit_rate
from benchmarks.live.service import connected, make_run, wait_until
from benchmarks.service import Service

CLIENTS, COMMANDS, REPEATED = 4, 100, 10


@dataclass
class Commanded:
    """What was found.

    Args:
        interval_s: From one tick to the next [s].
        commit_s: A bare commit of one row in the same run [s].
        acknowledged_s: From the request to its answer [s].
        applied_s: From the answer until the outcome was in the database [s].
        effects: Commands that had an effect; of so many with names of their own.
        is_ordered: Whether ticks follow the order of their numbers.
        ratio, jitter_s, slips: Of the run at the end.
    """

    interval_s: float
    commit_s: float
    acknowledged_s: list[float] = field(default_factory=list)
    applied_s: list[float] = field(default_factory=list)
    effects: int = 0
    sent: int = 0
    is_ordered: bool = False
    ratio: float | None = None
    jitter_s: float | None = None
    slips: float = 0.0


def measure(service: Service, *, cells: int, rate: float) -> Commanded:
    """Send commands of four clients to a run, some of them twice."""
    found = Commanded(1.0 / rate, 1.0 / measure_commit_rate(service.databases))
    answered: dict[int, float] = {}
    lock = threading.Lock()
    with connected(service) as client:
        run = client.engine.start(**make_run(cells, rate)).id
        wait_until(lambda: client.engine.show(run).status == "running", "the run ran")
        time.sleep(2.0)

        def send(number: int) -> None:
            with connected(service) as other:
                for index in range(number, COMMANDS, CLIENTS):
                    event = {"kind": "overload", "power_w": 10.0 + index, "duration_s": 1.0}
                    for _ in range(2 if index < REPEATED else 1):
                        began = time.time()
                        answer = other.engine.inject(run, event, client_id=f"command-{index}")
                        ended = time.time()
                        with lock:
                            found.acknowledged_s.append(ended - began)
                            answered.setdefault(answer.seq, ended)
                    time.sleep(0.15)

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(send, range(CLIENTS)))
        wait_until(lambda: all(one.outcome for one in client.engine.commands(run)), "every command had an outcome")
        commands = list(client.engine.commands(run))
        found.sent, found.effects = len(answered), sum(one.outcome == "applied" for one in commands)
        for one in commands:
            if one.seq in answered and one.applied_at is not None:
                found.applied_s.append(one.applied_at.timestamp() - answered[one.seq])
        ticks = [one.tick for one in commands if one.tick is not None]
        found.is_ordered = ticks == sorted(ticks)
        shown = client.engine.metrics(run).metrics
        found.ratio, found.jitter_s, found.slips = shown["ratio"], shown["jitter_s"], shown["slips"] or 0.0
        client.engine.stop(run)
        wait_until(lambda: client.engine.show(run).status == "stopped", "the run had ended")
    return found


def find_percentile(values: list[float], share: float) -> float:
    """The value that so many of 1 do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
