"""Reading, counting and removing jobs, on both databases."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.databases import HandClock, opened
from tests.support.service import make_service
from tests.support.worker import HandWorker

from grid.core.errors import NotFoundError
from grid.database import job_queries
from grid.database.audit import AuditEntry
from grid.database.job_queries import JobFilter
from grid.database.jobs import jobs
from grid.database.logs import job_log_chunks
from grid.database.uow import UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import JobStatus, Reason
from grid.services import jobs as job_service
from grid.services import logs
from grid.services.jobs import NotFinishedError
from grid.services.ledger import JobFinishedError
from grid.services.logs import START, LogCursor


@pytest.fixture
def service(uow, tmp_path):
    return make_service(uow, tmp_path)


@pytest.fixture
def store():
    return MemoryArtifactStore()


@pytest.fixture
def worker(service, store):
    return HandWorker(service.uow, store)


def ids(page):
    return [job.id for job in page.items]


def find(service, **wanted):
    return set(ids(job_service.list_jobs(service.uow, JobFilter(service.alice, **wanted), Window(100))))


def test_nobody_reads_cancels_or_removes_what_is_anothers(service, store):
    job_id = service.submit(simulation="noop").job_ids[0]
    for owner_id, wanted in ((service.bob, job_id), (service.alice, uuid4())):
        with pytest.raises(NotFoundError, match="There is no such job"):
            job_service.get_job(service.uow, owner_id=owner_id, job_id=wanted)
        with pytest.raises(NotFoundError):
            job_service.cancel_job(service.uow, service.bell, actor_id=owner_id, owner_id=owner_id, job_id=wanted)
        with pytest.raises(NotFoundError):
            job_service.purge_job(service.uow, store, actor_id=owner_id, owner_id=owner_id, job_id=wanted)
        with pytest.raises(NotFoundError):
            logs.read_log(service.uow, owner_id=owner_id, job_id=wanted)


def test_pages_cover_all_jobs_once_newest_first(service):
    made = [service.submit(simulation="noop").job_ids[0] for _ in range(7)]
    service.submit(service.bob, simulation="noop")

    pages = [job_service.list_jobs(service.uow, JobFilter(service.alice), Window(3, page)) for page in (1, 2, 3, 4)]

    assert [job_id for page in pages for job_id in ids(page)] == made[::-1]
    assert {(page.count.number, page.count.is_exact, page.pages) for page in pages} == {(7, True, 3)}


def test_filters_find_what_they_name(service):
    first = service.submit(simulation="noop", metadata={"n": 3, "flag": True, "text": "three", "ratio": 0.5})
    second = service.submit(simulation="heat-rod", sweep=[{}, {}], metadata={"n": "3", "flag": "false"})
    cancelled = service.submit(params={}).job_ids[0]
    job_service.cancel_job(service.uow, service.bell, actor_id=service.alice, owner_id=service.alice, job_id=cancelled)

    assert find(service, statuses=[JobStatus.CANCELLED]) == {cancelled}
    assert find(service, statuses=[JobStatus.CANCELLED, JobStatus.QUEUED]) == {
        *first.job_ids, *second.job_ids, cancelled
    }  # fmt: skip
    assert find(service, reasons=[Reason.CANCELLED_BY_USER, Reason.OOM]) == {cancelled}
    assert find(service, reasons=[Reason.OOM], statuses=[JobStatus.QUEUED]) == set()
    assert find(service, simulation="noop") == set(first.job_ids)
    assert find(service, sweep_id=second.sweep_id) == set(second.job_ids)
    points, others = find(service, is_point=True), find(service, is_point=False)
    assert set(second.job_ids) <= points
    assert cancelled in others
    assert (points & others, points | others) == (set(), find(service))
    assert find(service, labels={"n": "3"}) == {*first.job_ids, *second.job_ids}
    assert find(service, labels={"flag": "true"}) == set(first.job_ids) == find(service, labels={"ratio": "0.5"})
    assert find(service, labels={"flag": "false"}) == set(second.job_ids)
    assert find(service, labels={"text": "three", "n": "3"}) == set(first.job_ids)
    assert find(service, labels={"absent": "x"}) == set()
    assert find(service, labels={"text": "'; DROP TABLE jobs; --"}) == set()


def test_a_span_of_time_has_its_first_moment_and_not_its_last(database_maker, tmp_path):
    clock = HandClock(datetime(2026, 1, 1, 8, 30, 0, 250_000, tzinfo=UTC))
    with opened(database_maker, tmp_path, clock) as database:
        service, ids, days = make_service(UnitOfWork(database), tmp_path), [], []
        for _ in range(3):
            ids.append(service.submit(simulation="noop").job_ids[0])
            days.append(clock.time)
            clock.advance(86_400.0)
        require_spans(service, ids, days)


def require_spans(service, ids, days):
    """Check spans of time around jobs that were made on these days."""

    assert find(service, created_from=days[1]) == set(ids[1:])
    assert find(service, created_to=days[1]) == set(ids[:1])
    assert find(service, created_from=days[0], created_to=days[2]) == set(ids[:2])
    assert find(service, created_from=days[1] + timedelta(milliseconds=1), created_to=days[2]) == set()
    east = days[1].astimezone(timezone(timedelta(hours=14)))
    assert find(service, created_from=east, created_to=east + timedelta(milliseconds=1)) == {ids[1]}


def test_a_search_text_is_the_beginning_of_an_id_or_the_value_of_any_label(service):
    plain = service.submit(simulation="noop").job_ids[0]
    bridge = service.submit(simulation="noop", metadata={"project": "bridge", "n": 1000}).job_ids[0]
    other = service.submit(simulation="noop", metadata={"part": "bridge", "flag": True, "run": "007"}).job_ids[0]

    assert find(service, search=str(plain)) == find(service, search=plain.hex.upper()) == {plain}
    assert find(service, search=str(bridge)[:35]) >= {bridge}
    assert find(service, search=str(plain)[:3]) == {plain, bridge, other}  # made within the same two years
    assert find(service, search="bridge") == {bridge, other}
    assert find(service, search="1e3") == find(service, search="1000") == {bridge}
    assert find(service, search="true") == find(service, search="007") == {other}
    for text in ("project", "bridg", "7", "1000.5", "ffff", "g", "-", "%", "' OR 1=1 --", str(plain) + "0"):
        assert find(service, search=text) == set(), text
    assert find(service, search="bridge", labels={"n": "1000"}) == {bridge}


def test_a_summary_says_what_the_whole_row_says(service):
    service.submit(simulation="heat-rod", sweep=[{}, {}], metadata={"n": 3})
    cancelled = service.submit(params={}).job_ids[0]
    job_service.cancel_job(service.uow, service.bell, actor_id=service.alice, owner_id=service.alice, job_id=cancelled)
    wanted = JobFilter(service.alice)

    whole = job_service.list_jobs(service.uow, wanted, Window(2))
    short = job_service.list_summaries(service.uow, wanted, Window(2))
    rest = job_service.list_summaries(service.uow, wanted, Window(2, None, short.next))

    assert (short.next, short.count, short.pages) == (whole.next, whole.count, whole.pages)
    assert len(rest.items) == 1
    for summary, job in zip(short.items, whole.items, strict=True):
        assert all(getattr(job, name) == value for name, value in vars(summary).items() if name != "verdict")
        assert summary.verdict is None  # of a job that has not ended
        assert job_service.describe_state(summary) == job_service.describe_state(job)


ODD = [
    "007", "1.10", "3.0", " blank ", "", "a:b", "a=b", 'quo"te', "back\\slash", "$.a", "a.b", "Größe", "日本", "%_",
    "null", "True", "true", "-0", "1e3", "0.30000000000000004", "'; DROP TABLE jobs; --", "🔥", "a" * 64,
]  # fmt: skip


@pytest.mark.parametrize("role", ["value", "key"])
def test_a_label_is_found_by_what_was_typed_and_by_nothing_else(service, role):
    """Texts that look like numbers, like truth, like SQL and like a path in JSON, as values and as keys."""
    made = {}
    for text in ODD if role == "value" else [text for text in ODD if text]:
        labels = {"label": text} if role == "value" else {text: "x"}
        made[text] = (service.submit(simulation="noop", metadata=labels).job_ids[0], labels)

    for text, (job_id, labels) in made.items():
        assert find(service, labels=labels) == {job_id}, text
        shown = job_service.get_job(service.uow, owner_id=service.alice, job_id=job_id).meta
        assert shown == labels


NUMBERS = [0, 3, -17, 2**53, 1e21, 0.1, 0.30000000000000004, 1.7976931348623157e308, 5e-324, 1 / 3, 123456.789, -0.0625]


def test_a_number_is_found_by_every_way_to_write_it(service):
    made = {number: service.submit(simulation="noop", metadata={"n": number}).job_ids[0] for number in NUMBERS}
    as_text = service.submit(simulation="noop", metadata={"n": "3.0"}).job_ids[0]

    for number, job_id in made.items():
        stored = job_service.get_job(service.uow, owner_id=service.alice, job_id=job_id).meta["n"]
        for text in {json.dumps(stored), json.dumps(number), f"{number:.17g}", f"{number:.17e}"}:
            assert find(service, labels={"n": text}) - {as_text} == {job_id}, text
    assert find(service, labels={"n": "3.0"}) == {made[3], as_text}
    for text in ("3.0000000000000004", "03", "+3", " 3", "3 ", "0x3", "3_0", "nan", "inf", "1e999", "٣"):
        assert find(service, labels={"n": text}) == set(), text


def test_truth_is_found_by_its_words(service):
    true = service.submit(simulation="noop", metadata={"flag": True}).job_ids[0]
    false = service.submit(simulation="noop", metadata={"flag": False}).job_ids[0]

    assert find(service, labels={"flag": "true"}) == {true}
    assert find(service, labels={"flag": "false"}) == {false}
    for text in ("True", "1", "0", "yes", "1.0"):
        assert find(service, labels={"flag": text}) == set()


def test_counting_stops_at_its_limit_and_says_so(service):
    service.submit(simulation="noop", sweep=[{}] * 5)
    with service.uow.read() as tx:
        wanted = JobFilter(service.alice)
        assert job_queries.count(tx, wanted, limit=4) == (4, False)
        assert job_queries.count(tx, wanted, limit=5) == (5, True)


def test_numbers_count_states_ends_and_times(service, worker):
    service.submit(simulation="noop", sweep=[{}, {}, {}])
    claims = worker.start()
    worker.succeed(claims[:2])
    worker.fail(claims[2:])
    service.submit(simulation="noop")
    service.submit(service.bob, simulation="noop")

    numbers = job_service.read_stats(service.uow, owner_id=service.alice)

    assert numbers.by_status == {JobStatus.SUCCESS: 2, JobStatus.FAILED: 1, JobStatus.QUEUED: 1}
    assert numbers.finished_last_minute == numbers.finished_last_hour == 3
    assert numbers.finished_by_span == [0] * 11 + [3]
    assert 0 <= numbers.mean_wait_s < 60
    assert 0 <= numbers.mean_run_s < 60
    everybody = job_service.read_stats(service.uow, owner_id=None)
    assert everybody.by_status[JobStatus.QUEUED] == 2


def test_ends_within_the_hour_are_counted_in_spans_of_five_minutes(database_maker, tmp_path, store):
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        service = make_service(UnitOfWork(database), tmp_path)
        worker = HandWorker(service.uow, store)
        for minutes in (3, 51, 6, 1):  # between one end and the next; the first is 61 minutes old at last
            service.submit(simulation="noop")
            worker.succeed(worker.start())
            clock.advance(minutes * 60.0)

        numbers = job_service.read_stats(service.uow, owner_id=service.alice)

    assert numbers.finished_by_span == [1, *[0] * 9, 1, 1]
    assert (numbers.finished_last_hour, numbers.by_status) == (3, {JobStatus.SUCCESS: 4})


def test_cancelling_is_audited_once_and_refused_when_over(service):
    job_id = service.submit(simulation="noop").job_ids[0]
    call = {"actor_id": service.alice, "owner_id": service.alice, "job_id": job_id}

    job = job_service.cancel_job(service.uow, service.bell, **call)
    with pytest.raises(JobFinishedError) as caught:
        job_service.cancel_job(service.uow, service.bell, **call)

    assert (job.state, job.reason) == (JobStatus.CANCELLED, Reason.CANCELLED_BY_USER)
    assert caught.value.state is JobStatus.CANCELLED
    with service.uow.read() as tx:
        query = select(AuditEntry.actor_id).where(AuditEntry.action == "job.cancel")
        assert list(tx.connection.execute(query).scalars()) == [service.alice]


def test_a_running_job_is_told_to_stop(service, worker):
    job_id = service.submit(simulation="noop").job_ids[0]
    worker.start()
    call = {"actor_id": service.alice, "owner_id": service.alice, "job_id": job_id}

    states = [job_service.cancel_job(service.uow, service.bell, **call).state for _ in range(2)]

    assert states == [JobStatus.CANCELLING] * 2
    assert ("work", job_id) in service.bell.rings[1:]


def test_removal_takes_logs_and_files_with_it_and_is_audited(service, worker, store):
    job_id = service.submit(params={}).job_ids[0]
    claims = worker.start()
    call = {"actor_id": service.alice, "owner_id": service.alice, "job_id": job_id}
    with pytest.raises(NotFinishedError):
        job_service.purge_job(service.uow, store, **call)
    worker.log(job_id, 0, "a line\n")
    worker.succeed(claims, {"meta.json": b"{}"})

    job_service.purge_job(service.uow, store, **call)

    assert store.blobs == {}
    with service.uow.read() as tx:
        for table in (jobs, job_log_chunks):
            assert tx.connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
        actions = list(tx.connection.execute(select(AuditEntry.action).order_by(AuditEntry.id)).scalars())
    assert actions == ["job.submit", "job.purge"]


def test_a_pack_outlives_all_but_its_last_job(service, worker, store):
    result = service.submit(simulation="heat-rod", sweep=[{}, {}])
    worker.succeed(worker.start())
    packs = []
    for job_id in result.job_ids:
        packs.append(len(store.blobs))
        job_service.purge_job(service.uow, store, actor_id=service.alice, owner_id=service.alice, job_id=job_id)

    assert packs == [1, 1]
    assert store.blobs == {}


def test_news_come_from_behind_a_place_and_say_when_there_is_more(service, worker):
    quiet, talkative = (service.submit(params={}).job_ids[0] for _ in range(2))
    worker.start(), worker.start()
    for seq in range(5):
        worker.log(talkative, seq, f"{seq}\n")
    worker.log(quiet, 0, "q\n")
    cursors, heard = {quiet: START, talkative: START, uuid4(): START}, {quiet: "", talkative: ""}

    looks = 0
    while True:
        news = logs.read_news(service.uow, cursors, limit=3)
        assert news.keys() == {quiet, talkative}
        for job_id, one in news.items():
            heard[job_id] += "".join(chunk.text for chunk in one.chunks)
            cursors[job_id] = one.cursor
        looks += 1
        if not any(one.has_more for one in news.values()):
            break

    assert heard == {quiet: "q\n", talkative: "0\n1\n2\n3\n4\n"}
    assert cursors[talkative] == LogCursor(1, 4)
    assert looks == 3
    assert news[quiet].state["status"] == "running"


def test_the_tail_of_a_log_goes_over_its_chunks(service, worker):
    job_id = service.submit(params={}).job_ids[0]
    worker.start()
    worker.log(job_id, 0, "a\nb")
    worker.log(job_id, 1, "c\nd\n")

    def tail(lines):
        return logs.read_log(service.uow, owner_id=service.alice, job_id=job_id, tail=lines)

    assert (tail(None), tail(2), tail(1), tail(0), tail(9)) == ("a\nbc\nd\n", "bc\nd\n", "d\n", "", "a\nbc\nd\n")
