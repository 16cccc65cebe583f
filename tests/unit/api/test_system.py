"""The service as an administrator sees it, and the log of who changed what."""

import pytest

from grid import __version__
from grid.services import audit

SYSTEM, AUDIT = "/api/v1/system", "/api/v1/audit"


@pytest.mark.parametrize("path", [SYSTEM, AUDIT])
def test_both_are_for_administrators(anonymous, alice, path):
    assert (anonymous.get(path).status_code, alice.get(path).status_code) == (401, 403)


def test_an_idle_service(administrator):
    answer = administrator.get(SYSTEM)
    document = answer.json()

    assert answer.status_code == 200
    assert document["version"] == __version__
    assert document["database"] == {"kind": "sqlite", "outbox_backlog": 0}
    assert (document["workers"], document["queues"]) == ([], [])
    assert document["store"]["kind"] == "local"
    assert document["store"]["free_bytes"] > 0
    assert document["store"]["used_bytes"] > 0


def test_queues_have_the_names_of_their_users_and_the_longest_is_first(administrator, alice, bob):
    alice.post("/api/v1/jobs", json={"simulation": "noop"})
    bob.post("/api/v1/jobs", json={"simulation": "noop", "sweep": [{}, {}, {}]})
    queues = administrator.get(SYSTEM).json()["queues"]

    assert [(queue["user"], queue["queued"], queue["running"]) for queue in queues] == [("bob", 3, 0), ("alice", 1, 0)]
    assert queues[0] == {
        "user_id": str(bob.user_id), "user": "bob", "queued": 3, "running": 0, "queue_limit": 20_000
    }  # fmt: skip


def test_workers_are_shown_by_what_they_say(administrator, uow):
    said = {
        "version": "9.9", "slots": 4, "busy": 2, "live_runs": 1, "simulations": {"heat": "7"}, "draining": False
    }  # fmt: skip
    with uow.begin() as tx:
        tx.workers.beat("new", host="here", pid=1, details=said)
        tx.workers.beat("old", host="there", pid=2, details={"slots": "four", "simulations": [1]}, polled=False)
        tx.workers.beat("gone", host="there", pid=3, details={})
        tx.workers.stop("gone")
    new, old = administrator.get(SYSTEM).json()["workers"]

    assert {name: new[name] for name in said} == said
    assert (new["id"], new["host"]) == ("new", "here")
    assert new["polled_at"] is not None
    assert {name: old[name] for name in ("version", "slots", "busy", "live_runs", "draining", "polled_at")} == (
        dict.fromkeys(("version", "slots", "busy", "live_runs", "draining", "polled_at"))
    )
    assert old["simulations"] == {}


@pytest.fixture
def entries(uow, alice, bob):
    """Seven entries beyond those of the logins."""
    with uow.begin() as tx:
        for number in range(3):
            audit.record(tx, actor_id=alice.user_id, action="job.cancel", subject=f"job:{number}")
        audit.record(tx, actor_id=alice.user_id, action="job.purge", subject="job:1", details={"bytes": 3})
        audit.record(tx, actor_id=bob.user_id, action="jobber.cancel", subject="job:1")
        audit.record(tx, actor_id=None, action="user.create_first", subject="user:1")
        audit.record(tx, actor_id=bob.user_id, action="user.change", subject="user:1")


def ask(client, **query):
    answer = client.get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    return [(entry["action"], entry["subject"]) for entry in answer.json()["items"]]


@pytest.mark.usefixtures("entries")
def test_the_log_is_read_newest_first_in_parts_that_hold_each_entry_once(administrator, uow):
    whole = [entry["id"] for entry in audit.export(uow)][::-1]
    seen, query = [], {"limit": 3}
    while True:
        answer = administrator.get(AUDIT, params=query).json()
        seen += [entry["id"] for entry in answer["items"]]
        if answer["next"] is None:
            break
        query["after"] = answer["next"]

    assert seen == whole
    assert len(seen) == 10


@pytest.mark.usefixtures("entries")
def test_entries_are_found_by_actor_action_and_subject(administrator, alice):
    assert len(ask(administrator, actor="alice", action="job")) == 4
    assert ask(administrator, actor=str(alice.user_id), action="job.purge") == [("job.purge", "job:1")]
    assert ask(administrator, actor="ALICE", subject="job:1") == [("job.purge", "job:1"), ("job.cancel", "job:1")]
    assert ask(administrator, action="job", subject="job:2") == [("job.cancel", "job:2")]
    assert ask(administrator, actor="nobody") == []
    assert ask(administrator, subject="job:9") == []


@pytest.mark.usefixtures("entries")
def test_an_entry_shows_all_but_the_hash_before_it(administrator, uow, alice):
    (shown,) = administrator.get(AUDIT, params={"action": "job.purge"}).json()["items"]
    (stored,) = [entry for entry in audit.export(uow) if entry["action"] == "job.purge"]

    assert (shown["actor"], shown["actor_id"]) == ("alice", str(alice.user_id))
    assert shown["details"] == {"bytes": 3}
    assert (shown["chain"], shown["seq"], shown["hash"]) == (stored["chain"], stored["seq"], stored["hash"])
    (own,) = administrator.get(AUDIT, params={"action": "user.create_first"}).json()["items"]
    assert (own["actor"], own["actor_id"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("actor", "a\x00"), ("actor", ""), ("actor", "x" * 65), ("action", "Job"), ("action", "job."),
        ("action", "job.%"), ("subject", "job"), ("subject", "job:\x00"), ("subject", "job:" + "x" * 252),
        ("limit", "0"), ("limit", "201"), ("after", "x"), ("page", "1"),
    ],
)  # fmt: skip
def test_a_filter_that_no_entry_can_match_is_refused_by_its_name(administrator, name, value):
    answer = administrator.get(AUDIT, params={name: value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == name
