"""Prices of submissions before they are made: what would be refused, what the rest costs, and the queue ahead."""

import pytest
from sqlalchemy import func, select
from tests.support.service import make_service

from grid.core.errors import AdmissionError, FieldError, GridError, InvalidFieldsError
from grid.database.jobs import jobs
from grid.schemas.wire import SubmissionIn
from grid.services.submission_pricing import MOST_REFUSED, price_submission
from grid.services.submissions import SandboxUnavailableError


@pytest.fixture
def service(uow, tmp_path):
    return make_service(uow, tmp_path, grid_queue_limit=1000)


@pytest.fixture
def sqlite_service(sqlite_uow, tmp_path):
    return make_service(sqlite_uow, tmp_path)


def price(service, owner_id=None, **body):
    return price_submission(service.submissions, owner_id or service.alice, SubmissionIn.model_validate(body))


def texts(priced):
    return {point.index: [str(error) for error in point.errors] for point in priced.refused}


def test_nothing_is_stored_and_the_queue_is_told_as_it_is(service):
    service.submit(simulation="noop", sweep=[{"duration_s": 2.0}] * 3)
    service.submit(service.bob, simulation="noop", sweep=[{"duration_s": 50.0}] * 2)
    with service.uow.begin() as tx:
        tx.workers.beat("w", host="h", pid=1, details={"slots": 4})

    priced = price(service, simulation="noop", sweep=[{"duration_s": 1.0}, {"duration_s": 3.0}])

    assert (priced.points, priced.refused_total, priced.refused) == (2, 0, ())
    assert (priced.queue.waiting, priced.queue.limit, priced.queue.has_room, priced.queue.cores) == (3, 1000, True, 4)
    # own 6 s, and of Bob's 100 s as much as the 10 s that wait then
    assert priced.queue.ahead_s == pytest.approx((6.0 + 10.0) / 4, rel=1e-3)
    assert priced.estimate.work_s == pytest.approx(4.0, rel=1e-3)
    assert priced.estimate.least_s == pytest.approx(3.0, rel=1e-3)
    assert priced.estimate.most_s == pytest.approx(20.0, rel=1e-3)
    assert priced.estimate.output_bytes == 2 * 1024
    with service.uow.read() as tx:
        assert tx.connection.execute(select(func.count()).select_from(jobs)).scalar_one() == 5
        assert tx.queues.find(service.alice).queued == 3
    crowd = price(service, simulation="noop", sweep=[{}] * 998)
    assert (crowd.queue.has_room, crowd.queue.ahead_s < 20.0) == (False, True)


def test_each_point_says_for_itself_why_it_would_be_refused(sqlite_service):
    points = [{}, {"length": -1.0}, {"length": 2.0, "bogus": 1}, {"time_steps": 1_000_000, "spatial_steps": 1_000_000}]
    priced = price(sqlite_service, simulation="heat-rod", sweep=[*points, {"a.b": 1}, {"length[": 1}])

    assert (priced.points, priced.refused_total) == (6, 5)
    refused = texts(priced)
    assert list(refused) == [1, 2, 3, 4, 5]
    assert refused[1] == ["sweep[1].length: should be greater than or equal to 0.000001 (unit: m)"]
    assert refused[2] == ["sweep[2].bogus: is not a known parameter"]
    assert refused[3][0].startswith("sweep[3]: work of sweep[3]: ")
    assert refused[4] == ["sweep[4].a: is not a known parameter"]
    assert refused[5][0].startswith("sweep[5].")
    alone = price(sqlite_service, simulation="heat-rod", sweep=[{}])
    assert priced.estimate == alone.estimate


def test_a_common_mistake_is_named_once_for_each_point(sqlite_service):
    priced = price(
        sqlite_service, simulation="heat-rod", params={"diffusivity": -1.0}, sweep=[{}, {"length": 2.0}, {"length": -1}]
    )

    fields = [[error.field for error in point.errors] for point in priced.refused]
    assert fields[:2] == [["params.diffusivity"], ["params.diffusivity"]]
    assert set(fields[2]) == {"params.diffusivity", "sweep[2].length"}
    assert priced.refused_total == 3
    assert priced.estimate.work_s == 0.0


def test_what_is_priced_as_good_is_taken_and_what_is_refused_is_refused(sqlite_service):
    good = [{"length": 1.0 + place / 1000} for place in range(600)]
    bad = {"length": 0.0}
    for points in (good, [*good, bad], [bad, *good]):
        priced = price(sqlite_service, simulation="heat-rod", sweep=points)
        assert priced.refused_total == len(points) - 600
        if priced.refused_total:
            with pytest.raises(InvalidFieldsError) as refusal:
                sqlite_service.submit(simulation="heat-rod", sweep=points)
            assert [str(error) for error in refusal.value.errors] == texts(priced)[priced.refused[0].index]
        else:
            validated = sqlite_service.submissions.validate(
                SubmissionIn.model_validate({"simulation": "heat-rod", "sweep": points})
            )
            assert sum(point.work_s for point in validated.points) == pytest.approx(priced.estimate.work_s)


def test_a_hundred_refused_points_are_told_and_all_are_counted(sqlite_service):
    priced = price(sqlite_service, simulation="heat-rod", sweep=[{"length": -1.0}] * 700)

    assert (priced.refused_total, len(priced.refused)) == (700, MOST_REFUSED)
    assert [point.index for point in priced.refused] == list(range(MOST_REFUSED))


def test_a_program_is_priced_by_its_schema(sqlite_service):
    built_in = price(sqlite_service, simulation="heat-rod", params={"time_steps": 50})
    program = price(sqlite_service, container_image="sim:local", params={"time_steps": 50})

    assert program.estimate == built_in.estimate
    refused = price(sqlite_service, container_image="sim:local", params={"length": "long"})
    assert texts(refused) == {0: ["params.length: should be a valid number (unit: m)"]}


def test_a_program_without_a_schema_has_no_price(tmp_path, sqlite_uow):
    service = make_service(sqlite_uow, tmp_path)
    service.images.kinds["own:1"] = "program"

    priced = price(service, container_image="own:1", sweep=[{"a": 1}, {"a": [1]}])

    assert priced.estimate is None
    assert texts(priced) == {1: ["sweep[1].a: should be a string, a number or a boolean"]}


def test_points_with_a_thousand_names_or_too_much_text_are_refused_alone(sqlite_service):
    crowded = {f"p{place}": 1 for place in range(1000)}
    priced = price(sqlite_service, simulation="heat-rod", sweep=[{}, crowded])

    assert texts(priced) == {1: ["sweep[1]: should have at most 23 parameters"]}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"simulation": "teapot"}, FieldError),
        ({"simulation": "noop", "timeout_s": 1e5}, FieldError),
        ({"container_image": "far:away"}, FieldError),
        ({"container_image": "no-sandbox:1"}, SandboxUnavailableError),
        ({"simulation": "noop", "params": {"x": "y" * 2**20}, "sweep": [{}] * 64}, AdmissionError),
    ],
)
def test_what_no_point_can_mend_is_refused_as_in_a_submission(sqlite_service, body, error):
    with pytest.raises(error) as priced:
        price(sqlite_service, **body)
    with pytest.raises(GridError) as submitted:
        sqlite_service.submit(**body)

    assert (type(priced.value), str(priced.value)) == (type(submitted.value), str(submitted.value))
