"""Submitting: all or nothing, within limits, once for each key."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError
from scipy.stats import qmc
from sqlalchemy import func, select
from tests.support.ledgers import claim
from tests.support.service import make_service, open_service

from grid.core.errors import AdmissionError, FieldError, InvalidFieldsError, TooManyRequestsError
from grid.database.audit import AuditEntry
from grid.database.jobs import jobs
from grid.database.outbox import outbox
from grid.schemas.jobs import JobStatus
from grid.schemas.wire import SubmissionIn
from grid.services import audit
from grid.services.admission import MAX_ERRORS
from grid.services.submission_store import PendingSubmission, QueueLimits, store_submissions
from grid.services.submissions import (
    PROGRAM_SCHEMAS,
    IdempotencyKey,
    KeyReusedError,
    SandboxUnavailableError,
)


@pytest.fixture
def service(uow, tmp_path):
    return make_service(uow, tmp_path)


def count_jobs(service):
    with service.uow.read() as tx:
        return tx.connection.execute(select(func.count()).select_from(jobs)).scalar_one()


def read_job(service, job_id):
    with service.uow.read() as tx:
        return tx.jobs.find(job_id)


def test_one_job_is_queued_with_its_defaults_filled_in(service):
    result = service.submit(simulation="heat-rod", params={"length": 2}, metadata={"project": "p", "n": 3})

    job = read_job(service, result.job_ids[0])
    assert (job.state, job.owner_id, job.simulation, job.image) == (JobStatus.QUEUED, service.alice, "heat-rod", None)
    assert job.params["length"] == 2.0
    assert job.params.keys() == service.registry.get("heat-rod").params_model.model_fields.keys()
    assert job.meta == {"project": "p", "n": 3}
    assert job.wall_limit_s == service.settings.max_job_timeout
    assert job.expires_at - job.created_at == timedelta(days=7)
    assert result.sweep_id is None


def test_a_sweep_keeps_the_order_of_its_points(service):
    points = [{"diffusivity": 0.001 * (1 + place)} for place in range(30)]
    result = service.submit(simulation="heat-rod", sweep=points)

    with service.uow.read() as tx:
        stored = tx.jobs.points(result.sweep_id)
        sweep = tx.sweeps.find(result.sweep_id)
    assert [job.params["diffusivity"] for job in stored] == [point["diffusivity"] for point in points]
    assert tuple(job.id for job in stored) == result.job_ids
    assert len({job.batch_key for job in stored}) == 1
    assert sweep.total == 30


PROBLEM = {
    "kind": "diffusion",
    "dimension": 1,
    "steady": False,
    "temperature_unit": "K",
    "domain": {"coordinates": "cartesian", "size": [0.12]},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 500.0},
    "initial": 300.0,
    "boundaries": {"x_min": {"type": "temperature", "value": 400.0}},
    "resolution": {"cells": [12], "steps": 10, "end_time": 10.0},
}


def read_points(service, result):
    with service.uow.read() as tx:
        return [job.params for job in tx.jobs.points(result.sweep_id)]


def test_points_go_over_what_all_share(service):
    result = service.submit(
        simulation="heat-rod",
        params={"time_steps": 50, "length": 2},
        sweep=[{"length": 1}, {}, {"time_steps": 199.99999999999997}],
    )

    points = read_points(service, result)
    assert [(point["length"], point["time_steps"]) for point in points] == [(1, 50), (2, 50), (2, 200)]


def test_a_dotted_name_varies_a_part_of_a_nested_problem(service):
    conductivities = [10.0, 20.0, 40.0]
    result = service.submit(
        simulation="heat",
        params={"problem": PROBLEM, "outputs": 3},
        sweep=[{"problem.material.conductivity": value, "problem.resolution.cells[0]": 24} for value in conductivities],
    )

    points = read_points(service, result)
    assert [point["problem"]["material"]["conductivity"] for point in points] == conductivities
    assert {point["problem"]["resolution"]["cells"][0] for point in points} == {24}
    assert {(point["problem"]["material"]["density"], point["outputs"]) for point in points} == {(7800.0, 3)}
    assert PROBLEM["material"]["conductivity"] == 50.0


def test_a_latin_hypercube_of_everything_is_claimed_as_one_batch(service):
    """Integers included: nodes and results differ from point to point, and one claim takes all the same."""
    hypercube = qmc.scale(qmc.LatinHypercube(3, rng=1).random(60), [0.5, 20, 11], [2.0, 90, 71])
    sweep = [{"length": a, "time_steps": int(b), "spatial_steps": int(c)} for a, b, c in hypercube.tolist()]
    assert len({point["time_steps"] for point in sweep}) > 30
    result = service.submit(simulation="heat-rod", sweep=sweep)

    batch = claim(service.uow)

    assert [job.id for job in batch.jobs] == list(result.job_ids)
    assert claim(service.uow) is None


def refused(service, **body):
    before = count_jobs(service)
    with pytest.raises(InvalidFieldsError) as caught:
        service.submit(**body)
    assert count_jobs(service) == before
    return [error.field for error in caught.value.errors]


def test_an_error_in_what_all_share_is_said_once_and_one_of_a_point_by_its_place(service):
    assert refused(service, simulation="heat-rod", params={"length": -1}, sweep=[{}] * 30) == ["params.length"]
    assert refused(service, simulation="heat-rod", params={"length": 1}, sweep=[{}, {"length": -1}]) == [
        "sweep[1].length"
    ]
    sweep = [{"problem.material.conductivity": 1.0}, {"problem.material.conductivity": -1.0}]
    (field,) = refused(service, simulation="heat", params={"problem": PROBLEM}, sweep=sweep)
    assert field.startswith("sweep[1].problem.material")


NOWHERE = ["problem.domain.size[9]", "problem.domain.size.x", "outputs.a", "problem..a", "problem[0]", ".a", "a.", "a["]


@pytest.mark.parametrize("name", [*NOWHERE, "a." * 30 + "a"])
def test_a_dotted_name_that_leads_nowhere_is_refused_with_its_point(service, name):
    (field,) = refused(service, simulation="heat", params={"problem": PROBLEM, "outputs": 3}, sweep=[{}, {name: 1}])

    assert field.startswith("sweep[1]")


def test_a_giant_of_common_parameters_is_refused_before_it_is_repeated(service):
    with pytest.raises(AdmissionError, match="repeated"):
        service.submit(simulation="noop", params={"name": "x" * 10_000}, sweep=[{}] * 10_000)


def test_the_image_defaults_to_the_operators_and_is_checked_as_the_program_declares(service):
    result = service.submit(params={"length": 1.5})

    job = read_job(service, result.job_ids[0])
    assert (job.image, job.simulation, job.slot) == ("sim:local", None, "program")
    assert job.params["time_steps"] == 100
    with pytest.raises(InvalidFieldsError, match=r"params\.length"):
        service.submit(params={"length": -1})


def test_programs_are_never_batched(service):
    result = service.submit(sweep=[{"length": 1.0}, {"length": 1.0}])

    assert len({read_job(service, job_id).batch_key for job_id in result.job_ids}) == 2


def test_an_image_without_a_sandbox_is_refused_and_nothing_is_stored(service):
    service.images.kinds["listed:1"] = None

    with pytest.raises(SandboxUnavailableError):
        service.submit(container_image="listed:1", params={})

    assert count_jobs(service) == 0


@pytest.mark.parametrize(
    "image",
    ["other:1", "--privileged", "evil.example/sim:local", "sim:local@sha256:" + "cd" * 32, "SIM:LOCAL", "sim:local\n"],
)
def test_an_image_that_is_not_listed_is_refused_and_nothing_is_stored(service, image):
    with pytest.raises(FieldError, match=r"container_image: .*list"):
        service.submit(container_image=image, params={})

    assert count_jobs(service) == 0


def test_an_image_with_a_digest_runs_in_a_container_and_another_digest_is_another_computation(service):
    local = read_job(service, service.submit(params={"length": 1.5}).job_ids[0])
    service.images.kinds["sim:local"] = "docker"
    held = read_job(service, service.submit(params={"length": 1.5}).job_ids[0])

    assert (local.slot, held.slot) == ("program", "docker")
    assert local.params == held.params
    assert local.spec_hash != held.spec_hash


def test_a_program_without_a_schema_takes_plain_names_and_values_only(tmp_path):
    with open_service(tmp_path) as service:
        service.images.kinds["other:1"] = "docker"
        result = service.submit(container_image="other:1", params={"alpha": 1, "mode": "fast"})
        job = read_job(service, result.job_ids[0])
        assert (job.params, job.slot) == ({"alpha": 1, "mode": "fast"}, "docker")
        with pytest.raises(InvalidFieldsError, match="letter"):
            service.submit(container_image="other:1", params={"--flag; rm": 1})
        with pytest.raises(InvalidFieldsError, match=r"params\.nested"):
            service.submit(container_image="other:1", params={"nested": {}})
    assert "other:1" not in PROGRAM_SCHEMAS


def test_one_bad_point_refuses_the_whole_sweep_naming_field_limit_and_unit(service):
    points = [{"length": 1.0}] * 17 + [{"length": -123.25}] + [{"length": 1.0}] * 1000

    with pytest.raises(InvalidFieldsError) as caught:
        service.submit(simulation="heat-rod", sweep=points)

    (error,) = caught.value.errors
    assert (error.field, error.unit) == ("sweep[17].length", "m")
    assert "123" not in str(caught.value)
    assert count_jobs(service) == 0


def test_errors_inside_a_problem_are_named_by_their_whole_path(service):
    problem = {
        "dimension": 1,
        "domain": {"coordinates": "cartesian", "size": [-0.1]},
        "material": {"conductivity": 35.0, "density": 7200.0, "specific_heat": 440.5},
        "resolution": {"cells": [80], "steps": 10, "end_time": 1.0},
    }
    with pytest.raises(InvalidFieldsError) as caught:
        service.submit(simulation="heat", sweep=[{"problem": problem, "method": "magic"}])

    fields = [error.field for error in caught.value.errors]
    assert fields == ["sweep[0].problem.domain.size[0]", "sweep[0].method"]


def test_at_most_twenty_errors_are_listed(service):
    with pytest.raises(InvalidFieldsError) as caught:
        service.submit(simulation="heat-rod", sweep=[{"length": -1.0, "bogus": 1}] * 2000)

    assert len(caught.value.errors) == MAX_ERRORS


def test_names_that_are_not_plain_are_not_repeated(service):
    with pytest.raises(InvalidFieldsError) as caught:
        service.submit(simulation="heat-rod", params={"<script>alert(1)</script>": 1})

    assert "script" not in str(caught.value)


@pytest.mark.parametrize(
    "params", [{"spatial_steps": 1}, {"spatial_steps": 10**9}, {"length": "1.0"}, {"length": None}]
)
def test_values_outside_the_schema_are_refused(service, params):
    with pytest.raises((InvalidFieldsError, AdmissionError)):
        service.submit(simulation="heat-rod", params=params)

    assert count_jobs(service) == 0


def test_a_giant_is_refused_by_its_estimate(tmp_path):
    with open_service(tmp_path, grid_output_mb=1) as service:
        with pytest.raises(AdmissionError) as caught:
            service.submit(simulation="heat-rod", sweep=[{}, {"time_steps": 10_000, "spatial_steps": 1001}])
        assert caught.value.resource.endswith("sweep[1]")
        assert caught.value.estimate > caught.value.limit
        assert count_jobs(service) == 0


def test_an_unknown_simulation_is_named_as_a_field(service):
    with pytest.raises(FieldError, match=r"simulation: must be one of .*heat-rod"):
        service.submit(simulation="teapot")


def test_a_time_limit_beyond_the_operators_is_refused(service):
    with pytest.raises(FieldError, match="timeout_s"):
        service.submit(simulation="noop", timeout_s=service.settings.max_job_timeout + 1)


def test_a_full_queue_is_refused_with_a_time_to_come_back(tmp_path):
    with open_service(tmp_path, grid_queue_limit=3) as service:
        service.submit(simulation="noop", sweep=[{}, {}])
        with pytest.raises(TooManyRequestsError) as caught:
            service.submit(simulation="noop", sweep=[{}, {}])
        assert caught.value.retry_after_s > 0
        assert count_jobs(service) == 2
        service.submit(service.bob, simulation="noop", sweep=[{}, {}])  # another queue


def test_the_queue_of_all_users_has_a_limit_too(tmp_path):
    with open_service(tmp_path, grid_queue_limit_total=3) as service:
        service.submit(simulation="noop", sweep=[{}, {}])
        with pytest.raises(TooManyRequestsError):
            service.submit(service.bob, simulation="noop", sweep=[{}, {}])


def test_a_repeated_request_gives_the_first_answer_and_no_second_job(service):
    key = IdempotencyKey.of("abc", b"body")
    first = service.submit(simulation="noop", sweep=[{}, {}], key=key)

    assert service.submit(simulation="noop", sweep=[{}, {}], key=key) == first
    assert service.submissions.find_answer(service.alice, key) == first
    assert count_jobs(service) == 2


def test_a_key_with_another_body_is_refused_before_decoding(service):
    service.submit(simulation="noop", key=IdempotencyKey.of("abc", b"body"))

    other = IdempotencyKey.of("abc", b"\xff not even text")
    with pytest.raises(KeyReusedError):
        service.submissions.find_answer(service.alice, other)
    with pytest.raises(KeyReusedError):
        service.submit(simulation="noop", key=other)


def test_keys_belong_to_their_owner(service):
    key = IdempotencyKey.of("abc", b"body")
    service.submit(simulation="noop", key=key)

    assert service.submissions.find_answer(service.bob, key) is None


@pytest.mark.parametrize("key", ["", "a b", "a\tb", "ä", "x" * 256])
def test_a_key_is_visible_ascii(key):
    with pytest.raises(FieldError, match="Idempotency-Key"):
        IdempotencyKey.of(key, b"")


def test_a_submission_rings_once_and_leaves_an_event_and_an_audit_entry(service):
    result = service.submit(simulation="noop", sweep=[{}, {}, {}])

    assert service.bell.rings == [("work", result.job_ids[0])]
    with service.uow.read() as tx:
        event = tx.connection.execute(select(outbox)).one()
        entry = tx.connection.execute(select(AuditEntry.action, AuditEntry.subject, AuditEntry.actor_id)).one()
        queue = tx.queues.find(service.alice)
    assert (event.aggregate, event.payload["jobs"]) == (f"sweep:{result.sweep_id}", 3)
    assert tuple(entry) == ("sweep.submit", f"sweep:{result.sweep_id}", service.alice)
    assert queue.queued == 3


def test_a_higher_priority_is_claimed_earlier(service):
    urgent = service.submit(simulation="noop", priority=5).job_ids[0]
    usual = service.submit(simulation="noop").job_ids[0]

    assert read_job(service, urgent).priority < read_job(service, usual).priority  # the ledger takes the lowest first


@pytest.mark.parametrize(
    "body",
    [
        {"simulation": "noop", "container_image": "sim:local"},
        {"sweep": []},
        {"sweep": [{}] * 10_001},
        {"sweep": {}},
        {"params": [1]},
        {"retries": 11},
        {"retries": "3"},
        {"retries": True},
        {"priority": 11},
        {"timeout_s": 0},
        {"owner": "me"},
        {"status": "success"},
        {"metadata": {"a": {}}},
        {"metadata": {"": 1}},
        {"metadata": {"k" * 65: 1}},
        {"metadata": {str(i): 1 for i in range(33)}},
        {"metadata": {"a": "x" * 9000}},
        {"metadata": {"a": None}},
    ],
)
def test_a_body_outside_the_contract_is_refused(body):
    with pytest.raises(ValidationError):
        SubmissionIn.model_validate(body)


def test_ids_are_uuids_of_version_seven(service):
    (job_id,) = service.submit(simulation="noop").job_ids

    assert isinstance(job_id, UUID)
    assert job_id.version == 7


def test_the_same_request_many_times_at_once_makes_its_jobs_once(service):
    key = IdempotencyKey.of("race", b"body")

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: service.submit(simulation="noop", sweep=[{}, {}], key=key), range(8)))

    assert len(set(results)) == 1
    assert count_jobs(service) == 2


def test_submissions_at_once_keep_the_queue_within_its_limit(uow, tmp_path):
    service = make_service(uow, tmp_path, grid_queue_limit=5)

    def attempt(_):
        try:
            return len(service.submit(simulation="noop").job_ids)
        except TooManyRequestsError:
            return 0

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(12))) == 5
    assert count_jobs(service) == 5


def make_pending(service, owner_id, *, key=None, sweep=None, limit=100, **body):
    """Return a pending submission of one job or a sweep, as `submit` would make it."""
    fields = {"sweep": sweep} if sweep is not None else {"params": body}
    submission = SubmissionIn.model_validate({"simulation": "heat-rod", **fields})
    validated = service.submissions.validate(submission)
    return PendingSubmission(owner_id, validated, QueueLimits(limit, 1000), key)


def test_submissions_stored_together_are_what_they_are_alone_and_only_the_bad_ones_are_refused(service):
    key, other = IdempotencyKey("k", "ab" * 32), IdempotencyKey("k", "cd" * 32)
    pending = [
        make_pending(service, service.alice, length=1.0),
        make_pending(service, service.bob, length=2.0),
        make_pending(service, service.alice, sweep=[{"length": 3.0}, {"length": 4.0}], key=key),
        make_pending(service, service.alice, sweep=[{"length": 3.0}, {"length": 4.0}], key=key),
        make_pending(service, service.alice, length=5.0, key=other),
        make_pending(service, service.bob, sweep=[{"length": 6.0}] * 3, limit=3),
        make_pending(service, service.bob, length=7.0, limit=2),
    ]
    with service.uow.begin() as tx:
        answers = store_submissions(tx, pending)

    results = [one.validated.result for one in pending]
    assert answers[:4] == [results[0], results[1], results[2], results[2]]
    assert isinstance(answers[4], KeyReusedError)
    assert isinstance(answers[5], TooManyRequestsError)
    assert answers[6] == results[6]
    stored = [results[place] for place in (0, 1, 2, 6)]
    with service.uow.read() as tx:
        queues = [tx.queues.find(owner).queued for owner in (service.alice, service.bob)]
        rows = tx.connection.execute(select(jobs.c.id, jobs.c.owner_id, jobs.c.params)).all()
        events = tx.connection.execute(select(outbox.c.aggregate).order_by(outbox.c.id)).scalars().all()
    assert queues == [3, 2]
    assert {(row.id, row.owner_id, row.params["length"]) for row in rows} == {
        (results[0].job_ids[0], service.alice, 1.0),
        (results[1].job_ids[0], service.bob, 2.0),
        (results[2].job_ids[0], service.alice, 3.0),
        (results[2].job_ids[1], service.alice, 4.0),
        (results[6].job_ids[0], service.bob, 7.0),
    }
    assert events == [result.subject for result in stored]
    assert [entry["subject"] for entry in audit.export(service.uow)] == events
    assert audit.verify(service.uow).is_intact


def test_a_sweep_over_a_parameter_of_a_live_scenario_has_a_point_for_each_value(service):
    body = {"simulation": "live", "params": {"scenario": "burst", "cells": [8, 8], "until_s": 50.0}}

    result = service.submit(**body, sweep=[{"params.power": power} for power in (300.0, 600.0)])

    found = [read_job(service, job_id).params for job_id in result.job_ids]
    assert [(one["scenario"], one["params"]) for one in found] == [("burst", {"power": p}) for p in (300.0, 600.0)]
    with pytest.raises(InvalidFieldsError, match=r"sweep\[1\]\.params\.power"):
        service.submit(**body, sweep=[{"params.power": power} for power in (300.0, -1.0)])
