"""No-op jobs through the whole service, beside the database alone, a bare route, and other job queues.

Everything is measured in turn, once a repeat, while the service is up and idle but for its own turn.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

from sqlalchemy import text

from benchmarks.bare import measure_commit_rate, running_bare
from benchmarks.load import Endpoint, call_at_rate, call_in_turn, wait_for
from benchmarks.processes import find_descendants, measure_processor_s, time_python
from benchmarks.procrastinate import NAME as PROCRASTINATE
from benchmarks.queues import Queue, with_queues
from benchmarks.redis_queues import CELERY
from benchmarks.service import JOBS_PATH, Service
from benchmarks.statements import Counts, Sample, measure_calls, measure_statements
from benchmarks.table import Bar, Row, percentile
from grid.database.engine import Database, create_database
from grid.database.uow import UnitOfWork

CLIENTS = 8
JOBS = 2_400
SINGLES = 300  # of one client
OFFERED_PER_S, OFFERED_S = 50, 6
BODY = b'{"simulation": "noop", "params": {"payload_bytes": 1024}}'
HALF = Bar("at least", 0.5)
THRICE = Bar("at most", 3.0)
RATE_BARS = {PROCRASTINATE: Bar("at least", 1.5)}
START_BARS = {CELERY.name: Bar("at most", 2.0)}


class Watched:
    """The tables of a running service: when all its jobs have ended, in groups of which size, and what one leaves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wait_until_done(self) -> None:
        """Wait until no job is queued or held by a worker: exact counters say so, one row a user.

        Raises:
            RuntimeError: A job did not succeed, or they did not end.
        """
        wait_for(lambda: not self._ask("SELECT sum(queued + active) FROM owner_queues"), what="Grid's jobs")
        if failed := self._ask("SELECT count(*) FROM jobs WHERE state <> 'success'"):
            raise RuntimeError(f"{failed} jobs of Grid did not succeed")

    def counts(self) -> Counts:
        """Count jobs and transactions."""
        return Counts.of(self._database)

    def sample(self, job_id: UUID) -> Sample:
        """Return what a no-op has left."""
        with UnitOfWork(self._database).read() as tx:
            job = tx.jobs.find(job_id)
            if job is None or job.result_manifest is None:
                raise RuntimeError("there is no result")
            (attempt,) = tx.attempts.of_job(job_id)
            log = "".join(chunk.text for chunk in tx.logs.read(job_id))
        return Sample(job.params, job.result_manifest, attempt.usage or {}, log)

    def _ask(self, query: str) -> int:
        with self._database.engine.connect() as connection:
            return int(connection.execute(text(query)).scalar() or 0)


@contextmanager
def watching(service: Service) -> Iterator[Watched]:
    """Open the database of a service."""
    with closing(create_database(service.url, application="worker")) as database:
        yield Watched(database)


class Processors:
    """Processor time that the processes of one side use, children included."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._since = self._used()

    def _used(self) -> dict[str, float]:
        return {role: measure_processor_s([pid, *find_descendants(pid)]) for role, pid in self._pids.items()}

    def ms_each(self, count: int) -> dict[str, float]:
        """Return milliseconds since the making of this, by process, for each of that many jobs."""
        now = self._used()
        return {role: (now[role] - since) / count * 1e3 for role, since in self._since.items()}


def measure(service: Service, *, repeats: int) -> list[Row]:
    """Measure throughput, submits and start latency."""
    return [
        *measure_throughput(service, repeats=repeats),
        *measure_submits(service, repeats=repeats),
        *measure_starts(service, repeats=repeats),
    ]


def measure_throughput(service: Service, *, repeats: int) -> list[Row]:
    """Measure no-op jobs a second from the first request to the last terminal state, clients submitting in turn."""
    rates: dict[str, list[float]] = defaultdict(list)
    processor: dict[str, list[float]] = defaultdict(list)
    with watching(service) as watched, with_queues(service) as queues:
        for _ in range(repeats):
            before = watched.counts()
            answers, rate, used = _carry_through(service.endpoint(BODY), service.pids(), watched.wait_until_done)
            sizes = watched.counts().sizes_since(before)
            _say(service, f"{rate:.0f} no-op jobs/s; groups: {sizes}; processor time a job: {_join(used)}")
            rates["grid"].append(rate)
            processor["grid"].append(sum(used.values()))
            sample = watched.sample(UUID(answers[-1]["jobs"][0]))
            rate, spent = measure_calls(service.databases, sizes, sample)
            rates["calls"].append(rate)
            processor["calls"].append(spent)
            rates["statements"].append(measure_statements(service.databases, sizes, sample))
            rates["commits"].append(measure_commit_rate(service.databases))
            for queue in queues:
                rate, spent = _carry_through_queue(service, queue)
                rates[queue.name].append(rate)
                processor[queue.name].append(spent)
    return _throughput_rows(rates, processor, [queue.name for queue in queues])


def _carry_through_queue(service: Service, queue: Queue) -> tuple[float, float]:
    """Return jobs a second, and ms of processor time a job in all processes but its database's or its broker's."""
    queue.forget()
    _, rate, used = _carry_through(queue.endpoint(BODY), queue.pids, lambda: queue.wait_until_done(JOBS))
    _say(service, f"{rate:.0f} no-op jobs/s of {queue.name}; processor time a job: {_join(used)}")
    return rate, sum(used.values())


def _throughput_rows(
    rates: Mapping[str, list[float]], processor: Mapping[str, list[float]], queues: list[str]
) -> list[Row]:
    what = "no-op jobs, HTTP to terminal state"
    spent_on = "no-op job, processor time of all processes but the database's"
    calls = "one process, a no-op's calls alone, in the same groups"
    rows = [
        Row(what, "jobs/s", rates["grid"], calls, rates["calls"], HALF),
        Row(what, "jobs/s", rates["grid"], "the same statements by the bare driver", rates["statements"]),
        Row(what, "jobs/s", rates["grid"], "one row committed after the other", rates["commits"]),
        Row(spent_on, "ms", processor["grid"], calls, processor["calls"]),
    ]
    for name in queues:
        behind = f"{name} behind a bare route"
        rows.append(Row(what, "jobs/s", rates["grid"], behind, rates[name], RATE_BARS.get(name)))
        rows.append(Row(spent_on, "ms", processor["grid"], behind, processor[name]))
    return rows


def _join(used: Mapping[str, float]) -> str:
    return ", ".join(f"{role} {spent:.2f} ms" for role, spent in used.items())


def _carry_through(
    endpoint: Endpoint, pids: Mapping[str, int], wait: Callable[[], None]
) -> tuple[list[Any], float, dict[str, float]]:
    """Submit jobs and wait for their ends; return the answers, jobs a second, and ms of processor time by process."""
    used = Processors(pids)
    started = perf_counter()
    load = call_in_turn(endpoint, clients=CLIENTS, requests=JOBS)
    wait()
    return load.answers, JOBS / (perf_counter() - started), used.ms_each(JOBS)


def measure_submits(service: Service, *, repeats: int) -> list[Row]:
    """Measure how long a submission takes: of one client, and of several while their jobs are carried through."""
    rows = []
    with watching(service) as watched, running_bare(service.databases) as bare:
        for clients, requests in ((1, SINGLES), (CLIENTS, JOBS)):
            own, other = [], []
            for _ in range(repeats):
                own.append(_time_submits(service.endpoint(BODY), service.pids()["server"], clients, requests))
                watched.wait_until_done()
                other.append(_time_submits(Endpoint(bare.port, "/jobs", BODY), bare.pid, clients, requests))
            whose = "one client" if clients == 1 else f"{clients} clients"
            for place, (what, unit, bar) in enumerate(
                [
                    ("median", "ms", THRICE),
                    ("95th percentile", "ms", None),
                    ("processor time of the server", "ms", None),
                ]
            ):
                grid, beside = ([sample[place] for sample in samples] for samples in (own, other))
                rows.append(Row(f"submit, {whose}, {what}", unit, grid, "bare route", beside, bar))
    return rows


def _time_submits(endpoint: Endpoint, pid: int, clients: int, requests: int) -> tuple[float, float, float]:
    """Return median, 95th percentile and the server's processor time of a request, all in ms."""
    call_in_turn(endpoint, clients=clients, requests=8 * clients)  # threads and connections are there
    used = Processors({"server": pid})
    latencies = call_in_turn(endpoint, clients=clients, requests=requests).latencies
    return median(latencies) * 1e3, percentile(latencies, 0.95) * 1e3, used.ms_each(len(latencies))["server"]


def measure_starts(service: Service, *, repeats: int) -> list[Row]:
    """Measure the time from a job's making to its start, at a fixed offer, beside the start of a bare Python."""
    waits: dict[str, list[list[float]]] = defaultdict(list)
    with watching(service) as watched, with_queues(service) as queues:
        for _ in range(repeats):
            load = call_at_rate(service.endpoint(BODY), per_s=OFFERED_PER_S, seconds=OFFERED_S)
            watched.wait_until_done()
            waits["grid"].append(_start_latencies(service, [one["jobs"][0] for one in load.answers]))
            waits["python"].append([time_python() for _ in range(20)])
            for queue in queues:
                queue.forget()
                load = call_at_rate(queue.endpoint(BODY), per_s=OFFERED_PER_S, seconds=OFFERED_S)
                queue.wait_until_done(len(load.answers))
                waits[queue.name].append(queue.start_latencies())
    rows = []
    for name, peer, bars in (
        ("python", "start and end of a bare Python", {}),
        *((queue.name, queue.name, START_BARS) for queue in queues),
    ):
        for whose, fraction in (("median", 0.5), ("95th percentile", 0.95)):
            grid, beside = ([percentile(wait, fraction) * 1e3 for wait in waits[side]] for side in ("grid", name))
            what = f"start of a job at {OFFERED_PER_S} jobs/s, {whose}"
            rows.append(Row(what, "ms", grid, peer, beside, bars.get(name) if fraction > 0.5 else None))
    return rows


def _start_latencies(service: Service, job_ids: list[str]) -> list[float]:
    connection = service.connect()
    waits = []
    for job_id in job_ids:
        job = connection.json("GET", f"{JOBS_PATH}/{job_id}")
        begun, made = (datetime.fromisoformat(job[key]) for key in ("started_at", "created_at"))
        waits.append((begun - made).total_seconds())
    connection.close()
    return waits


def _say(service: Service, what: str) -> None:
    print(f"{service.kind}, load {os.getloadavg()[0]:.1f}: {what}", file=sys.stderr, flush=True)
