"""A run of mixed jobs, with processes killed in the middle of it; a schedule says whom, after how much of the work."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Literal

from tests.support.faults.checker import check_recovery
from tests.support.faults.clients import Submission, Submitter
from tests.support.faults.dump import LEASED, TERMINAL, JobRow, check_file
from tests.support.faults.observer import Observer
from tests.support.faults.service import LEASE_S, PATIENCE_S, FaultyService, wait_until

Victim = Literal["slot", "worker", "worker-2", "server", "all", "celery", "redis", "postgres", "watchdog"]
VICTIMS: tuple[Victim, ...] = ("slot", "worker", "server", "all")
RECOVERY_S = LEASE_S + 5.0
AHEAD = 0.2  # of all jobs: so much is submitted beyond those that must end before a strike, the rest after it
ALONE_S = 0.1  # a job that lost its worker is claimed alone, which costs two transactions instead of a share of two
SLACK_S = 5.0  # the machine is shared with other tests


@dataclass(frozen=True)
class Strike:
    """Kill `victim` once this fraction of the jobs has ended, and a moment later."""

    victim: Victim
    after: float
    pause_s: float


@dataclass(frozen=True)
class Report:
    """What a storm came to."""

    seed: int
    jobs: int
    kills: int
    problems: tuple[str, ...]
    recovery_s: tuple[float, ...]  # from each start of processes until they did their work again
    took_s: float  # from the first submission until the last job had ended
    settled_s: float  # from the last restart until the last job had ended
    allowed_s: float
    losses: int  # claims that ended with their worker
    unknown: int  # requests that were never answered


def make_schedule(victims: Sequence[Victim], seed: int, until: float = 0.8) -> list[Strike]:
    """Deal the strikes evenly over the first four fifths of the run, in random order, each at a random moment."""
    random = Random(seed)
    chosen = random.sample(list(victims), len(victims))
    return [
        Strike(victim, until * (place + random.uniform(0.3, 0.9)) / len(chosen), random.uniform(0.0, 0.3))
        for place, victim in enumerate(chosen)
    ]


def make_submissions(seed: int, jobs: int, *, nap_s: float, name: str) -> list[Submission]:
    """Half sweeps of rods and one of naps, half single naps of 0 to `2 nap_s`, shuffled."""
    random = Random(seed)

    def naps(count: int) -> list[dict[str, float]]:
        return [{"duration_s": round(random.uniform(0.0, 2 * nap_s), 3)} for _ in range(count)]

    rods = [{"diffusivity": 0.005 + 0.00001 * place, "time_steps": 50} for place in range(jobs // 4)]
    parts = 4
    submissions = [Submission.of(f"{name}-rods-{n}", "heat-rod", sweep=rods[n::parts]) for n in range(parts)]
    submissions.append(Submission.of(f"{name}-naps", "noop", sweep=naps(jobs // 4)))
    rest = jobs - sum(submission.points for submission in submissions)
    submissions += [
        Submission.of(f"{name}-nap-{n}", "noop", payload_bytes=64, **nap) for n, nap in enumerate(naps(rest))
    ]
    random.shuffle(submissions)
    return submissions


def run_storm(
    service: FaultyService,
    folder: Path,
    *,
    jobs: int,
    victims: Sequence[Victim],
    seed: int,
    others: Mapping[Victim, Callable[[], None]] = MappingProxyType({}),
    more: Sequence[Submission] = (),
    more_s: float = 0.0,
    until: float = 0.8,
    patience_s: float = PATIENCE_S,
) -> Report:
    """Run `jobs` jobs while the victims are killed, wait for the end of all, and check every promise.

    Args:
        service: To be broken.
        folder: Where schedule and history are left.
        jobs: How many, those of `more` included.
        victims: In any order.
        seed: Of the schedule and of the jobs.
        others: Kill what is no process of the service, and have it back; by the victim's name.
        more: Submissions beside the usual ones.
        more_s: Time of one core for each of their jobs [s].
        until: The part of the jobs over which the strikes are dealt.
        patience_s: For each strike to be due, and for the end.
    """
    schedule = make_schedule(victims, seed, until)
    nap_s = 0.06 if jobs <= 500 else 0.03
    usual = jobs - sum(submission.points for submission in more)
    submissions = [*make_submissions(seed, usual, nap_s=nap_s, name=f"storm-{seed}"), *more]
    if more:
        Random(seed).shuffle(submissions)
    (folder / "schedule.json").write_text(json.dumps([asdict(strike) for strike in schedule]), encoding="utf-8")
    print(f"storm: seed {seed}, {jobs} jobs, {[strike.victim for strike in schedule]}, {service.url.partition(':')[0]}")
    recovery_s: list[float] = []
    ours = {submission.key for submission in submissions}
    with ExitStack() as stack:
        observer = stack.enter_context(service.watch())
        observer.look()
        before = observer.ended
        began_at = restarted_at = service.clock()
        reach = [strike.after + AHEAD for strike in schedule]  # what may be submitted before each strike
        submitter = Submitter(
            service.call(), service.history, submissions, lambda sent: not reach or sent < reach[0] * jobs
        )
        submitter.start()
        stack.callback(submitter.stop)
        for strike in schedule:
            wait_until(
                lambda after=strike.after: _is_due(observer, before + after * jobs), f"{strike} was due",
                within_s=patience_s,
            )  # fmt: skip
            time.sleep(strike.pause_s)
            del reach[0]
            if strike.victim in others:
                others[strike.victim]()
            else:
                recovery_s.append(carry_out(service, strike.victim, Random(seed)))
            restarted_at = service.clock()
            assert check_file(service.url) == "ok", "the database file is damaged"
        remaining_s = _remaining_s(service, submissions, ours)
        remaining_s += more_s * (
            sum(one.points for one in more) - sum(service.count(one.key, *sorted(TERMINAL)) for one in more)
        )
        submitter.finish()
        wait_until(service.is_over, "every job had ended", within_s=patience_s)
        observer.look()
    problems = service.check()
    dump = service.dump()
    mine = [job for job in dump.jobs if job.meta.get("key") in ours]
    # What was queued then takes its time as well: as long as one core alone would take for it.
    allowed_s = RECOVERY_S + remaining_s + SLACK_S
    problems += check_recovery(dump, restarted_at, allowed_s)
    service.history.write(folder / f"history-{seed}.jsonl", seed=seed, faults=service.log)
    ids = {job.id for job in mine}
    return Report(
        seed, len(mine), len(schedule), tuple(problems), tuple(round(s, 2) for s in recovery_s),
        _last_s(began_at, mine), _last_s(restarted_at, mine), round(allowed_s, 1),
        sum(attempt.outcome == "worker_lost" for attempt in dump.attempts if attempt.job_id in ids),
        sum(entry.kind == "unknown" for entry in service.history.entries if entry.key in ours),
    )  # fmt: skip


def carry_out(service: FaultyService, victim: Victim, random: Random) -> float:
    """Kill, start again what was killed, and return the seconds until it was back."""
    names = {"slot": (), "all": ("server", "worker")}.get(victim, (victim,))
    if victim == "slot":
        wait_until(lambda: service.kill_slot_child(random.choice), "there was a child to kill")
    else:
        service.kill(*names)
    began = time.monotonic()
    service.start(*names)
    return time.monotonic() - began


def _is_due(observer: Observer, ended: float) -> bool:
    is_at_work = observer.held > 0 or observer.is_idle
    return observer.ended >= ended and is_at_work and not observer.is_one_loss_from_poison


def _remaining_s(service: FaultyService, submissions: Sequence[Submission], ours: set[str]) -> float:
    """Return the estimated work, in seconds of one core, that has not ended yet or is not even submitted."""
    jobs = [job for job in service.dump().jobs if job.meta.get("key") in ours]
    here = {job.meta["key"] for job in jobs}
    naps = (s.body.get("params", {}).get("duration_s", 0.0) for s in submissions if s.key not in here)
    open_jobs = [job for job in jobs if job.state not in TERMINAL]
    alone = sum(job.worker_losses > 0 or job.state in LEASED for job in open_jobs)
    return sum(job.work_s for job in open_jobs) + sum(naps) + ALONE_S * alone


def _last_s(since: datetime, jobs: Sequence[JobRow]) -> float:
    """Return the seconds until the last of the jobs had ended."""
    return round(max((job.finished_at - since).total_seconds() for job in jobs if job.finished_at is not None), 2)
