"""Topics of the one WebSocket beside runs: jobs, one job, one sweep, and the state of the service."""

import asyncio
from uuid import UUID, uuid4

import pytest
from tests.support.worker import HandWorker

from grid.api.live import ledger_subs, ledger_tailer
from grid.core.errors import UnavailableError
from grid.services import ledger_news
from grid.services.outbox import relay
from grid.services.ports import ArtifactStore

JOBS = "/api/v1/jobs"
SWEEP = {"sweep": [{"length": 1.0}, {"length": 2.0}, {"length": 3.0}]}


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


def submit(client, **body):
    answer = client.post(JOBS, json={"params": {}, **body})
    assert answer.status_code == 202, answer.text
    return answer.json()["jobs"]


def submit_sweep(client):
    ids = submit(client, **SWEEP)
    return client.get(f"{JOBS}/{ids[0]}").json()["sweep_id"], ids


def ask(viewer, topic, name="a", **members):
    viewer.say("sub", id=name, topic=topic, **members)


def hear_jobs(viewer, count):
    """States by id, until so many jobs are known; and the last id."""
    states, last = {}, None
    while len(states) < count:
        event = viewer.hear("event")
        states |= {job["id"]: job["status"] for job in event["data"]["jobs"]}
        last = event["id"]
    return states, last


# --- jobs


def test_own_jobs_are_told_as_they_change_and_those_of_others_are_not(alice, bob, view, uow, worker):
    with view(alice) as viewer:
        ask(viewer, "jobs")
        first = viewer.hear()
        assert first["data"] == {"jobs": [], "sweeps": [], "more": False}
        submit(bob)
        (job_id,) = submit(alice)
        relay(uow)
        states, last = hear_jobs(viewer, 1)
        assert (states, last > first["id"]) == ({job_id: "queued"}, True)
        worker.succeed([claim for _ in range(2) for claim in worker.start()])
        relay(uow)
        event = viewer.hear("event")
        assert event["data"]["jobs"] == [
            {"id": job_id, "status": "success", "reason": "ok", "version": 4, "sweep": None}
        ]  # fmt: skip


@pytest.mark.parametrize("way", ["after", "resume"])
def test_jobs_go_on_behind_the_last_that_is_known(alice, view, uow, way):
    with view(alice) as viewer:
        ask(viewer, "jobs")
        last = viewer.hear()["id"]
    missed = submit(alice)
    relay(uow)
    with view(alice, resume={"jobs": last} if way == "resume" else {}) as viewer:
        ask(viewer, "jobs", **({"after": last} if way == "after" else {}))
        event = viewer.hear()
        assert [job["id"] for job in event["data"]["jobs"]] == missed
        assert event["id"] > last


def test_where_jobs_cannot_go_on_there_is_a_gap(alice, view, uow, monkeypatch):
    monkeypatch.setattr(ledger_news, "MOST_BEHIND", 1)
    for _ in range(3):
        submit(alice)
    relay(uow)
    with view(alice) as viewer:
        for name, after in (("a", 0), ("b", 2**40)):
            ask(viewer, "jobs", name, after=after)
            assert viewer.hear() == {"type": "gap", "sub": name, "after": after, "next": 3}
            event = viewer.hear()
            assert (event["sub"], event["id"], event["data"]["jobs"]) == (name, 3, [])


def test_an_administrator_sees_jobs_of_everybody_where_it_says_so(alice, administrator, view, uow):
    with view(administrator) as viewer, view(alice) as other:
        ask(viewer, "jobs", "own")
        ask(viewer, "jobs", "all", all=True)
        ask(other, "jobs", "mine", all=True)
        heard = {viewer.hear()["sub"] for _ in range(2)} | {other.hear()["sub"]}
        assert heard == {"own", "all", "mine"}
        (hers,) = submit(administrator)
        (job_id,) = submit(alice)
        relay(uow)
        own, everybodys = set(), set()
        while everybodys != {hers, job_id} or not own:
            event = viewer.hear("event")
            (own if event["sub"] == "own" else everybodys).update(job["id"] for job in event["data"]["jobs"])
        assert own == {hers}
        assert [job["id"] for job in other.hear("event")["data"]["jobs"]] == [job_id]


def test_a_sweep_of_many_points_is_named_and_its_points_are_not(alice, view, uow):
    with view(alice) as viewer:
        ask(viewer, "jobs")
        viewer.hear()
        sweep_id, _ = submit_sweep(alice)
        relay(uow)
        data = viewer.hear("event")["data"]
        assert [(sweep["id"], sweep["total"], sweep["ended"]) for sweep in data["sweeps"]] == [(sweep_id, 3, 0)]
        assert data["more"]  # the event of the submission names no points


def test_changes_are_merged_and_told_at_a_rate(alice, view, uow, monkeypatch):
    monkeypatch.setattr(ledger_subs, "JOBS_S", 0.2)
    monkeypatch.setattr(ledger_tailer, "GAP_S", 0.001)
    with view(alice) as viewer:
        ask(viewer, "jobs")
        viewer.hear()
        ids = []
        for _ in range(30):
            ids += submit(alice)
            relay(uow)
        heard = 0
        seen = set()
        while len(seen) < 30:
            seen |= {job["id"] for job in viewer.hear("event")["data"]["jobs"]}
            heard += 1
        assert seen == set(ids)
        assert heard < 30


def test_more_jobs_than_a_message_names_are_said_to_be_more(alice, view, uow, monkeypatch):
    monkeypatch.setattr(ledger_subs, "MOST_JOBS", 2)
    with view(alice) as viewer:
        ask(viewer, "jobs")
        viewer.hear()
        ids = [submit(alice)[0] for _ in range(4)]
        relay(uow)
        data = viewer.hear("event")["data"]
        assert ([job["id"] for job in data["jobs"]], data["more"]) == (sorted(ids)[-2:], True)


def test_the_ledger_is_read_once_for_all_viewers_and_not_at_all_without_any(alice, bob, view, uow, app, portal):
    with view(alice) as first, view(bob) as second:
        ask(first, "jobs")
        ask(second, "jobs")
        first.hear()
        second.hear()
        tailer = app.state.live_subs.ledger
        places = []
        read = tailer.read
        tailer.read = lambda place, interest: places.append(place) or read(place, interest)
        submit(alice)
        submit(bob)
        relay(uow)
        first.hear("event")
        second.hear("event")
        assert places.count(0) <= 2  # a look that found nothing, and the one that found both
        task = tailer._task
    portal.call(asyncio.wait, [task])
    assert (tailer._task, task.cancelled()) == (None, True)


def test_a_database_that_is_away_for_a_moment_ends_nothing(alice, view, uow, app, monkeypatch):
    monkeypatch.setattr(ledger_tailer, "AGAIN_S", 0.01)
    with view(alice) as viewer:
        ask(viewer, "jobs")
        viewer.hear()
        tailer = app.state.live_subs.ledger
        read, failures = tailer.read, iter([UnavailableError("away"), RuntimeError("odd")])

        def fail(place, interest):
            error = next(failures, None)
            if error is not None:
                raise error
            return read(place, interest)

        tailer.read = fail
        (job_id,) = submit(alice)
        relay(uow)
        assert hear_jobs(viewer, 1)[0] == {job_id: "queued"}
        assert next(failures, None) is None


# --- one job


def test_a_job_is_told_from_its_log_to_its_end_with_the_ids_of_its_server_sent_events(alice, view, uow, worker):
    (job_id,) = submit(alice)
    claims = worker.start()
    worker.log(UUID(job_id), 0, "step 1\n")
    with view(alice) as viewer:
        ask(viewer, f"job:{job_id}")
        log, status = viewer.hear(), viewer.hear()
        assert (log["id"], log["kind"], log["data"]) == ("1:0", "log", {"text": "step 1"})
        assert (status["id"], status["kind"], status["data"]["status"]) == ("1:0", "status", "running")
        worker.log(UUID(job_id), 1, "step 2\n")
        assert viewer.hear("event")["data"] == {"text": "step 2"}
        worker.succeed(claims, {})
        end = viewer.hear("end")
        assert (end["sub"], end["reason"], end["job"]["status"]) == ("a", "finished", "success")
    with view(alice, resume={f"job:{job_id}": "1:0"}) as viewer:
        ask(viewer, f"job:{job_id}")
        assert viewer.hear()["data"] == {"text": "step 2"}
        assert [viewer.hear()["type"] for _ in range(2)] == ["event", "end"]
        ask(viewer, f"job:{job_id}", "b", after="1:1")
        assert [viewer.hear()["type"] for _ in range(2)] == ["event", "end"]


def test_a_job_without_a_log_goes_on_behind_its_state(alice, view):
    (job_id,) = submit(alice)
    with view(alice) as viewer:
        ask(viewer, f"job:{job_id}")
        assert viewer.hear()["id"] == "job:1"
        ask(viewer, f"job:{job_id}", "b", after="job:1")
        viewer.say("ping")
        assert viewer.hear()["type"] == "pong"


def test_a_long_log_comes_whole_and_in_order_at_the_viewers_pace(alice, view, worker):
    (job_id,) = submit(alice)
    worker.start()
    for number in range(40):
        worker.log(UUID(job_id), number, f"line {number}\n")
    with view(alice) as viewer:
        ask(viewer, f"job:{job_id}")
        heard = [viewer.hear("event")["data"].get("text") for _ in range(40)]
    assert heard == [f"line {number}" for number in range(40)]


def test_a_job_that_falls_behind_gets_a_gap_behind_what_was_told(alice, view, worker, app, portal):
    (job_id,) = submit(alice)
    worker.start()
    worker.log(UUID(job_id), 0, "step 1\n")
    with view(alice) as viewer:
        ask(viewer, f"job:{job_id}")
        viewer.hear()
        viewer.hear()
        portal.call(app.state.job_streams.close)
        assert viewer.hear("gap") == {"type": "gap", "sub": "a", "after": "1:0"}


# --- one sweep


def test_a_sweep_is_told_with_its_counts_and_the_points_that_change_until_all_have_ended(alice, view, uow, worker):
    sweep_id, ids = submit_sweep(alice)
    relay(uow)
    with view(alice) as viewer:
        ask(viewer, f"sweep:{sweep_id}")
        first = viewer.hear()
        assert (first["data"]["counts"]["queued"], first["data"]["points"]) == (3, [])
        claims = [claim for _ in ids for claim in worker.start()]
        relay(uow)
        event = viewer.hear("event")
        assert event["id"] > first["id"]
        assert event["data"]["counts"]["running"] == 3
        assert [(point["index"], point["id"]) for point in event["data"]["points"]] == list(enumerate(ids))
        worker.succeed(claims[:2])
        worker.fail(claims[2:])
        relay(uow)
        points = {}
        while (message := viewer.hear())["type"] == "event":
            points |= {point["index"]: (point["status"], point["reason"]) for point in message["data"]["points"]}
        assert points == {0: ("success", "ok"), 1: ("success", "ok"), 2: ("failed", "diverged")}
        assert (message["type"], message["reason"], message["sweep"]["ended"]) == ("end", "finished", 3)


@pytest.mark.parametrize("way", ["after", "resume"])
def test_a_sweep_goes_on_behind_the_version_that_is_known(alice, view, uow, worker, way):
    sweep_id, ids = submit_sweep(alice)
    relay(uow)
    topic = f"sweep:{sweep_id}"
    with view(alice) as viewer:
        ask(viewer, topic)
        last = viewer.hear()["id"]
    for _ in ids:
        worker.start()
    relay(uow)
    with view(alice, resume={topic: last} if way == "resume" else {}) as viewer:
        ask(viewer, topic, **({"after": last} if way == "after" else {}))
        data = viewer.hear()["data"]
        assert ([point["id"] for point in data["points"]], data["more"]) == (ids, False)
        ask(viewer, topic, "b", after=10**6)  # a version that never was
        data = viewer.hear()["data"]
        assert (data["points"], data["more"], data["counts"]["running"]) == ([], True, 3)


def test_a_finished_sweep_is_told_and_ends(alice, view, uow, worker):
    sweep_id, _ = submit_sweep(alice)
    worker.succeed([claim for _ in range(3) for claim in worker.start()])
    relay(uow)
    with view(alice) as viewer:
        ask(viewer, f"sweep:{sweep_id}")
        assert viewer.hear()["data"]["ended"] == 3
        assert viewer.hear()["reason"] == "finished"
        ask(viewer, f"sweep:{sweep_id}")  # the name is free again
        assert viewer.hear()["data"]["ended"] == 3


# --- the service


def test_the_state_of_the_service_has_the_viewers_own_numbers(alice, bob, administrator, view, uow, monkeypatch):
    monkeypatch.setattr(ledger_tailer, "SYSTEM_S", 0.02)
    submit(alice)
    with view(alice) as viewer, view(bob) as other, view(administrator) as third:
        ask(viewer, "system")
        ask(other, "system", all=True)
        ask(third, "system", all=True)
        data = viewer.hear()["data"]
        assert (data["mode"], data["modes"], data["workers"], data["alerts"]) == ("full", [], 0, {})
        assert data["queue"] == third.hear()["data"]["queue"] == {"waiting": 1, "running": 0}
        assert other.hear()["data"]["queue"] == {"waiting": 0, "running": 0}
        submit(alice)
        assert viewer.hear()["data"]["queue"]["waiting"] == 2


# --- who may, and what is no topic


def test_what_is_not_yours_is_not_found(alice, bob, administrator, view):
    sweep_id, ids = submit_sweep(alice)
    with view(bob) as viewer:
        for topic in (f"job:{ids[0]}", f"sweep:{sweep_id}", f"job:{uuid4()}", f"sweep:{uuid4()}"):
            ask(viewer, topic, all=True)
            assert viewer.hear() == {"type": "end", "sub": "a", "reason": "not-found"}
    with view(administrator) as viewer:
        ask(viewer, f"sweep:{sweep_id}")
        assert viewer.hear()["reason"] == "not-found"
        ask(viewer, f"sweep:{sweep_id}", all=True)
        assert viewer.hear()["data"]["total"] == 3


def test_a_topic_or_place_that_is_none_names_field_and_limit(alice, view):
    wrong = [
        ("job", {}, "topic"),
        ("jobs:all", {}, "topic"),
        ("sweep:1", {}, "topic"),
        ("system:x", {}, "topic"),
        ("job:{}:log", {}, "topic"),
        ("jobs", {"after": "1:0"}, "after"),
        ("jobs", {"after": -1}, "after"),
        ("job:{}", {"after": 5}, "after"),
        ("job:{}", {"after": "x:1"}, "after"),
        ("job:{}", {"after": "1:" + 10 * "9"}, "after"),
        ("sweep:{}", {"after": 0.5}, "after"),
    ]
    with view(alice) as viewer:
        for topic, members, field in wrong:
            ask(viewer, topic.format(uuid4()), **members)
            end = viewer.hear()
            assert (end["type"], end["reason"], end["field"]) == ("end", "invalid", field), (topic, members)
            assert end["detail"].startswith(f"{field}: ")
