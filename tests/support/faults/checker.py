"""The checker: pure functions over what clients saw, what an observer saw, the ledger and the store.

Each returns sentences about broken promises; no sentence, no breach. None of the service's own code is used here, so
that a mistake there cannot hide itself.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from tests.support.faults.dump import LEASED, TERMINAL, AttemptRow, Dump, JobRow
from tests.support.faults.history import Entry, History

WON = "ok"  # the outcome of the attempt whose result counts
SUCCESS = frozenset({"success"})


class Sight(NamedTuple):
    """A job as an observer saw it."""

    state: str
    version: int
    epoch: int


Sights = Mapping[UUID, Sequence[Sight]]


def check_all(
    history: History, dump: Dump, store: Path, sights: Sights, *, expected: Mapping[str, frozenset[str]] | None = None
) -> list[str]:
    """Check every promise about a run that is over.

    Args:
        history: Of the clients.
        dump: After the run.
        store: The folder of artifacts.
        sights: What was seen of each job, in order.
        expected: The states in which the jobs of a submission may end, by its key; `success` where none are named.
    """
    return [
        *check_submissions(history, dump),
        *check_ends(dump, expected or {}),
        *check_epochs(dump),
        *check_attempts(dump),
        *check_leases(dump),
        *check_counters(dump),
        *check_events(dump),
        *check_results(dump, store),
        *check_sights(dump, sights),
        *check_cancels(history, dump),
    ]


def check_submissions(history: History, dump: Dump) -> list[str]:
    """Every accepted submission is there, whole and once; nothing is there that nobody sent."""
    jobs = {job.id: job for job in dump.jobs}
    by_key: defaultdict[str, list[JobRow]] = defaultdict(list)
    for job in dump.jobs:
        by_key[str(job.meta.get("key"))].append(job)
    sweeps = Counter(str(sweep.meta.get("key")) for sweep in dump.sweeps)
    problems = [
        f"accepted, and not there: {e.key} job {j}" for e in history.accepted() for j in e.jobs if j not in jobs
    ]
    sweep_ids = {sweep.id for sweep in dump.sweeps}
    problems += [
        f"accepted, and not there: {e.key} sweep" for e in history.accepted() if e.sweep not in {None, *sweep_ids}
    ]
    problems += [f"answered differently on a repeated try: {key}" for key in _contradictions(history)]
    invoked = history.invoked()
    accepted = {entry.key for entry in history.accepted()}
    for key, entry in invoked.items():
        allowed = {entry.points} if key in accepted else {0, entry.points}
        if len(by_key[key]) not in allowed:
            problems.append(f"{key}: {len(by_key[key])} jobs for {entry.points} points")
    problems += [f"more than one sweep for one key: {key}" for key, count in sweeps.items() if count > 1]
    problems += [
        f"nobody submitted: {key} ({len(found)} jobs)" for key, found in by_key.items() if found and key not in invoked
    ]
    return problems


def check_ends(dump: Dump, expected: Mapping[str, frozenset[str]]) -> list[str]:
    """Every job ended, in a state that its submission allows."""
    problems = []
    for job in dump.jobs:
        allowed = expected.get(str(job.meta.get("key")), SUCCESS)
        if job.state not in TERMINAL:
            problems.append(f"not terminal: {job.id} is {job.state}")
        elif job.state not in allowed:
            problems.append(f"ended wrongly: {job.id} is {job.state} ({job.reason})")
    return problems


def check_epochs(dump: Dump) -> list[str]:
    """A job that succeeded was won by exactly one attempt, its last; no other job was won by any."""
    problems = []
    attempts = _attempts(dump)
    for job in dump.jobs:
        winners = [attempt.epoch for attempt in attempts[job.id] if attempt.outcome == WON]
        wanted = [job.epoch] if job.state == "success" else []
        if winners != wanted:
            problems.append(f"won by epochs {winners}, not {wanted}: {job.id}")
        if job.winning_epoch != (job.epoch if job.state == "success" else None):
            problems.append(f"winning epoch {job.winning_epoch} of {job.id}, which is {job.state} in epoch {job.epoch}")
    return problems


def check_attempts(dump: Dump) -> list[str]:
    """There is one attempt for each claim, and each has an outcome unless it is under way."""
    problems = []
    attempts = _attempts(dump)
    for job in dump.jobs:
        epochs = [attempt.epoch for attempt in attempts[job.id]]
        if epochs != list(range(1, job.epoch + 1)):
            problems.append(f"attempts {epochs} for {job.epoch} claims: {job.id}")
        open_epoch = job.epoch if job.state in LEASED else None
        problems += [
            f"attempt without an outcome: {job.id} epoch {attempt.epoch}"
            for attempt in attempts[job.id]
            if attempt.outcome is None and attempt.epoch != open_epoch
        ]
        problems += [
            f"ended before it began: {job.id} epoch {attempt.epoch}"
            for attempt in attempts[job.id]
            if attempt.ended_at is not None and attempt.ended_at < attempt.started_at
        ]
    return problems


def check_leases(dump: Dump) -> list[str]:
    """A worker's name is on the jobs that it holds, and on no other."""
    return [
        f"lease on a job that is {job.state}: {job.id}"
        if job.state not in LEASED
        else f"no lease on a job that is {job.state}: {job.id}"
        for job in dump.jobs
        if (job.state in LEASED) != (job.lease_owner is not None)
        or (job.lease_owner is None) != (job.lease_until is None)
    ]


def check_counters(dump: Dump) -> list[str]:
    """The counters of owners and sweeps equal a recount."""
    problems = []
    queued = Counter(job.owner_id for job in dump.jobs if job.state == "queued")
    active = Counter(job.owner_id for job in dump.jobs if job.state in LEASED)
    for queue in dump.queues:
        counted = (queued[queue.owner_id], active[queue.owner_id])
        if (queue.queued, queue.active) != counted:
            problems.append(f"owner {queue.owner_id} counts {(queue.queued, queue.active)}, there are {counted}")
    states: defaultdict[UUID | None, Counter[str]] = defaultdict(Counter)
    for job in dump.jobs:
        states[job.sweep_id][job.state] += 1
    for sweep in dump.sweeps:
        found = states[sweep.id]
        if any(sweep.counts[state] != found[state] for state in TERMINAL) or found.total() != sweep.total:
            problems.append(f"sweep {sweep.id} of {sweep.total} counts {dict(sweep.counts)}, there are {dict(found)}")
        if (sweep.finished_at is not None) != (sum(found[state] for state in TERMINAL) == sweep.total):
            problems.append(f"sweep {sweep.id} says it ended at {sweep.finished_at}")
    return problems


def check_events(dump: Dump) -> list[str]:
    """The stream is numbered without a gap, and so are the events of each sweep."""
    seqs = sorted(event.seq for event in dump.events if event.seq is not None)
    problems = [f"gap or copy in the stream between {a} and {b}" for a, b in pairwise(seqs) if b != a + 1]
    versions: defaultdict[str, list[int]] = defaultdict(list)
    for event in dump.events:
        versions[event.aggregate].append(event.version)
    for sweep in dump.sweeps:
        told = sorted(versions[f"sweep:{sweep.id}"])
        if told != list(range(1, sweep.version + 1)):
            problems.append(f"events of sweep {sweep.id} have versions {told}, it is at {sweep.version}")
    problems += [
        f"no event tells of an end: {job.id}"
        for job in dump.jobs
        if job.sweep_id is None and job.state == "cancelled" and job.version not in versions[f"job:{job.id}"]
    ]
    return problems


def check_results(dump: Dump, store: Path) -> list[str]:
    """Every result is there, has the bytes that its manifest names, and belongs to one job."""
    problems = []
    owners: dict[tuple[Any, ...], UUID] = {}
    for job in dump.jobs:
        if (job.manifest is not None) != (job.state == "success"):
            problems.append(f"result of a job that is {job.state}: {job.id}")
        for place, part in _parts(job):
            problem = check_part(store, part)
            if problem:
                problems.append(f"{job.id}: {problem}")
            if owners.setdefault(place, job.id) != job.id:
                problems.append(f"one result for two jobs: {job.id} and {owners[place]}")
    return problems


def check_part(store: Path, part: Mapping[str, Any]) -> str:
    """Compare the stored bytes of a pack's record, or of a file, with the hash in the manifest; say what is wrong."""
    try:
        with (store / part["key"]).open("rb") as file:
            file.seek(part.get("offset", 0))
            data = file.read(part["size"])
    except OSError as error:
        return f"{part['key']} cannot be read ({error.strerror})"
    return "" if hashlib.sha256(data).hexdigest() == part["sha256"] else f"{part['key']} has other bytes"


def check_sights(dump: Dump, sights: Sights) -> list[str]:
    """Seen one after the other: versions and epochs never fall, and nothing follows a terminal state."""
    problems = []
    last = {job.id: Sight(job.state, job.version, job.epoch) for job in dump.jobs}
    for job_id, seen in sights.items():
        for before, after in pairwise([*seen, *([last[job_id]] if job_id in last else [])]):
            if after.version < before.version or after.epoch < before.epoch:
                problems.append(f"went back from {before} to {after}: {job_id}")
            elif before.state in TERMINAL and after != before:
                problems.append(f"changed after its end, from {before} to {after}: {job_id}")
            elif after.version == before.version and after != before:
                problems.append(f"changed without a version, from {before} to {after}: {job_id}")
        if job_id not in last:
            problems.append(f"seen, and gone: {job_id}")
    return problems


def check_cancels(history: History, dump: Dump) -> list[str]:
    """A cancel that was accepted cancels; one that was refused named the state in which the job stays."""
    states = {job.id: job.state for job in dump.jobs}
    problems = []
    for entry in history.cancels():
        wanted = "cancelled" if entry.kind == "ok" else entry.state
        problems += [
            f"cancel answered {entry.status} {entry.state}, and the job is {states.get(job_id)}: {job_id}"
            for job_id in entry.jobs
            if states.get(job_id) != wanted
        ]
    return problems


def check_recovery(dump: Dump, restarted_at: datetime, bound_s: float) -> list[str]:
    """Every job ended within so long of the last restart, by the database's clock."""
    return [
        f"ended {late_s:.1f} s after the restart, allowed {bound_s:.1f}: {job.id}"
        for job in dump.jobs
        if job.finished_at is not None and (late_s := (job.finished_at - restarted_at).total_seconds()) > bound_s
    ]


def _contradictions(history: History) -> Iterable[str]:
    first: dict[str, Entry] = {}
    for entry in history.accepted():
        if first.setdefault(entry.key, entry).jobs != entry.jobs:
            yield entry.key


def _attempts(dump: Dump) -> defaultdict[UUID, list[AttemptRow]]:
    found: defaultdict[UUID, list[AttemptRow]] = defaultdict(list)
    for attempt in dump.attempts:
        found[attempt.job_id].append(attempt)
    return found


def _parts(job: JobRow) -> Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    manifest = job.manifest or {}
    if "pack" in manifest:
        pack = manifest["pack"]
        yield (pack["key"], pack["offset"]), pack
    for file in manifest.get("files", ()):
        yield (file["key"],), file
