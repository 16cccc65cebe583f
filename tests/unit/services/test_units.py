"""Units of work: which become runnable by events, and how they stand."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from tests.support.ledgers import MANIFEST, add_owner, claim, get_job, submit

from grid.database.outbox import Event
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import Reason
from grid.services import ledger
from grid.services.ledger import Returned, Succeeded
from grid.services.outbox import relay
from grid.services.units import Publication, Unit, UnitState, find_publications, read_states

A = "0191d7a5-0000-7000-8000-000000000001"


def published(uow: UnitOfWork) -> dict[str, tuple[str, int]]:
    """Relay everything, and return queue and number of what is published, by name."""
    found: dict[str, tuple[str, int]] = {}
    while numbers := relay(uow):
        for each in find_publications(uow, numbers):
            assert each.unit.name not in found
            found[each.unit.name] = (each.queue, each.number)
    return found


def announce(uow: UnitOfWork, aggregate: str, version: int, kind: str, payload: dict) -> None:
    with uow.begin() as tx:
        tx.outbox.add([Event(aggregate, version, kind, payload)])


@pytest.mark.parametrize(
    ("name", "queue", "unit"),
    [
        (A, "small", Unit(UUID(A))),
        (A, "live", Unit(UUID(A), is_run=True)),
        (f"{A}/0", "large", Unit(UUID(A), 0)),
        (f"{A}/3000", "program", Unit(UUID(A), 3000)),
    ],
)
def test_a_name_and_its_queue_are_a_unit(name, queue, unit):
    assert Unit.parse(name, queue) == unit
    assert unit.name == name


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        (A, "other"), (A, None), ("", "small"), (None, "small"), (7, "small"), (A.upper(), "small"), (f"{A}/", "small"),
        (f"{A}/-1000", "small"), (f"{A}/500", "small"), (f"{A}/1000", "live"), (f"{A}\n", "small"), (f" {A}", "small"),
        (f"{A}/9999999000", "small"), (A.replace("-", ""), "small"), ([A], "small"),
    ],
)  # fmt: skip
def test_anything_else_is_none(name, queue):
    assert Unit.parse(name, queue) is None


def test_a_publication_is_called_by_unit_and_number():
    assert Publication(Unit(UUID(A), 1000), "small", 7).task_id == f"{A}/1000:7"


def test_a_submitted_job_is_published_by_the_kind_of_its_slot(uow):
    owner = add_owner(uow)
    jobs = {slot: submit(uow, owner, slot=slot)[0] for slot in ("small", "large", "program", "docker")}
    for job_id in jobs.values():
        announce(uow, f"job:{job_id}", 1, "job.queued", {"owner": str(owner)})

    assert published(uow) == {str(job_id): (slot, 1) for slot, job_id in jobs.items()}


def test_a_sweep_is_published_in_stretches_of_a_thousand_points(uow):
    ids = submit(uow, add_owner(uow), 2_001, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    announce(uow, f"sweep:{sweep_id}", 1, "sweep.queued", {"jobs": 2001})

    assert published(uow) == {f"{sweep_id}/{first}": ("small", 1) for first in (0, 1000, 2000)}


def test_a_job_that_is_queued_again_is_published_again_with_a_larger_number(uow):
    (job_id,) = submit(uow, add_owner(uow))
    (job,) = claim(uow).jobs
    ledger.conclude(uow, [Returned(job.claim, "drain", "It ends.")])

    assert published(uow) == {str(job_id): ("small", 3)}
    assert published(uow) == {}


def test_jobs_that_go_back_together_are_published_each(uow):
    ids = submit(uow, add_owner(uow), 3)
    claims = [job.claim for job in claim(uow, max_jobs=3).jobs]
    ledger.conclude(uow, [Returned(each, "drain", "It ends.") for each in claims])

    assert published(uow) == {str(job_id): ("small", 3) for job_id in ids}


def test_points_that_go_back_are_published_as_the_stretches_they_belong_to(uow):
    ids = submit(uow, add_owner(uow), 1_003, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    jobs = claim(uow, max_jobs=1_003).jobs
    published(uow)
    ledger.conclude(uow, [Returned(job.claim, "drain", "It ends.") for job in jobs[-2:]])
    few = published(uow)
    ledger.conclude(uow, [Returned(job.claim, "drain", "It ends.") for job in jobs[:-2]])
    many = published(uow)

    assert set(few) == {f"{sweep_id}/1000"}
    assert set(many) == {f"{sweep_id}/0", f"{sweep_id}/1000"}
    assert many[f"{sweep_id}/1000"][1] > few[f"{sweep_id}/1000"][1]


def test_what_ends_or_begins_is_not_published(uow):
    ids = submit(uow, add_owner(uow), 2)
    first, _ = claim(uow, max_jobs=2).jobs
    ledger.conclude(uow, (), begun=[first.claim])
    ledger.conclude(uow, [Succeeded(first.claim, MANIFEST)])
    ledger.cancel(uow, owner_id=None, job_id=ids[1], by=Reason.CANCELLED_BY_USER)

    assert published(uow) == {}


def test_a_live_run_is_published_when_it_waits_for_a_worker(uow):
    for number, state in enumerate(("queued", "starting", "running", "interrupted", "stopped"), 1):
        announce(uow, f"run:{A}", number, f"run.{state}", {"id": A})

    assert published(uow) == {A: ("live", 4)}


def test_events_of_jobs_that_are_gone_or_were_never_there_are_published_by_nobody(uow):
    announce(uow, f"job:{uuid4()}", 1, "job.queued", {})
    announce(uow, f"sweep:{uuid4()}", 1, "sweep.queued", {})
    announce(uow, "mode:bus", 1, "mode.changed", {})

    assert published(uow) == {}
    assert find_publications(uow, range(0)) == []


def test_units_are_read_as_the_ledger_has_them(uow):
    owner = add_owner(uow)
    waiting, done = submit(uow, owner, slot="large")[0], submit(uow, owner)[0]
    (job,) = claim(uow, slots=["small"]).jobs
    ledger.conclude(uow, (), begun=[job.claim])
    ledger.conclude(uow, [Succeeded(job.claim, MANIFEST)])
    states = read_states(uow, [Unit(waiting), Unit(done), Unit(uuid4()), Unit(uuid4(), 0), Unit(uuid4(), is_run=True)])

    assert states == {Unit(waiting): UnitState("queued"), Unit(done): UnitState("success", "ok", is_ended=True)}
    assert states[Unit(done)].describe(Unit(done)) == {"id": str(done), "status": "success", "reason": "ok"}


def test_a_stretch_has_ended_when_all_its_points_have(uow):
    ids = submit(uow, add_owner(uow), 1_002, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    jobs = claim(uow, max_jobs=1_002).jobs
    ledger.conclude(uow, (), begun=[job.claim for job in jobs])
    ledger.conclude(uow, [Succeeded(job.claim, MANIFEST) for job in jobs[:1_001]])
    first, second = Unit(sweep_id, 0), Unit(sweep_id, 1000)
    states = read_states(uow, [first, second, Unit(sweep_id, 2000)])

    assert states[first] == UnitState("success", counts={"success": 1000}, is_ended=True)
    assert states[second] == UnitState("ended", counts={"running": 1, "success": 1})
    assert Unit(sweep_id, 2000) not in states
    ledger.cancel(uow, owner_id=None, job_id=ids[-1], by=Reason.CANCELLED_BY_USER)
    ledger.conclude(uow, [ledger.Stopped(jobs[-1].claim)])
    assert read_states(uow, [second])[second].describe(second) == {
        "id": f"{sweep_id}/1000", "status": "ended", "reason": None, "counts": {"cancelled": 1, "success": 1},
    }  # fmt: skip


def test_a_unit_is_late_a_minute_after_its_time(uow, monkeypatch):
    unit = Unit(submit(uow, add_owner(uow))[0])
    with uow.read() as tx:
        until = tx.units.jobs([unit.id])[0].until
    for later, is_late in ((timedelta(seconds=59), False), (timedelta(seconds=61), True)):
        monkeypatch.setattr(uow.database, "clock", lambda later=later: until + later)
        assert read_states(uow, [unit])[unit].is_late is is_late
