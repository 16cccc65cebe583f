"""Jobs over HTTP: strangers get nothing, the promised answers, and bad input that is refused by name."""

import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from grid.database.jobs import jobs

JOBS = "/api/v1/jobs"
README_JOB = {
    "container_image": "sim:local",
    "params": {"length": 1.0, "time_steps": 200, "diffusivity": 0.01, "initial_temp": 100.0},
    "metadata": {"project": "heat-transfer", "user": "researcher"},
}
README_SWEEP = {
    "container_image": "sim:local",
    "sweep": [
        {"length": 1.0, "time_steps": 200, "diffusivity": 0.01},
        {"length": 1.0, "time_steps": 400, "diffusivity": 0.005},
        {"length": 0.5, "time_steps": 200, "diffusivity": 0.02},
    ],
    "metadata": {"project": "parameter-study"},
}


def submit(client, **body):
    answer = client.post(JOBS, json=body or {"simulation": "noop"})
    assert answer.status_code == 202, answer.text
    return answer.json()


def count_jobs(uow):
    with uow.read() as tx:
        return tx.connection.execute(select(func.count()).select_from(jobs)).scalar_one()


def test_a_stranger_gets_nothing(anonymous, alice):
    job = f"{JOBS}/{submit(alice)['jobs'][0]}"
    answers = [
        anonymous.post(JOBS, json={"simulation": "noop"}),
        anonymous.get(JOBS),
        anonymous.get(f"{JOBS}/stats"),
        anonymous.get(f"{JOBS}/labels"),
        anonymous.get(f"{job}/attempts"),
        anonymous.get(job),
        anonymous.delete(job),
        anonymous.post(f"{job}/purge"),
        anonymous.get(f"{JOBS}/not-a-uuid"),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert alice.get(job).json()["status"] == "queued"


def test_what_is_not_yours_is_not_found_and_looks_like_what_does_not_exist(alice, bob):
    job = submit(alice)["jobs"][0]
    for path in (job, uuid4()):
        answers = [
            bob.get(f"{JOBS}/{path}"),
            bob.delete(f"{JOBS}/{path}"),
            bob.post(f"{JOBS}/{path}/purge"),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert {answer.json()["detail"] for answer in answers} == {"There is no such job."}

    assert bob.get(JOBS).json()["items"] == []
    assert bob.get(f"{JOBS}/stats").json()["total"] == 0
    assert alice.get(f"{JOBS}/{job}").json()["status"] == "queued"


def test_the_single_job_of_the_readme(alice):
    answer = alice.post(JOBS, json=README_JOB)

    assert answer.status_code == 202
    body = answer.json()
    assert body["sweep_mapping"] is None
    (job_id,) = body["jobs"]
    job = alice.get(f"{JOBS}/{job_id}").json()
    assert (job["id"], job["status"], job["container_image"]) == (job_id, "queued", "sim:local")
    assert job["params"].items() >= README_JOB["params"].items()
    assert job["metadata"] == README_JOB["metadata"]
    assert job["links"]["log_stream"] == f"{JOBS}/{job_id}/logs/stream"
    assert UUID(job_id).version == 7


def test_the_sweep_of_the_readme_maps_each_job_to_its_parameters(alice):
    body = submit(alice, **README_SWEEP)

    assert [body["sweep_mapping"][job] for job in body["jobs"]] == README_SWEEP["sweep"]
    assert {alice.get(f"{JOBS}/{job}").json()["sweep_id"] for job in body["jobs"]} == {body["sweep"]}


def test_a_list_is_newest_first_and_paged(alice):
    made = [submit(alice)["jobs"][0] for _ in range(5)]

    first = alice.get(JOBS, params={"page": 1, "size": 2}).json()
    last = alice.get(JOBS, params={"page": 3, "size": 2}).json()

    assert [job["id"] for job in first["items"]] == made[:-3:-1]
    assert [job["id"] for job in last["items"]] == made[:1]
    assert (first["page"], first["size"], first["total"], first["pages"]) == (1, 2, 5, 3)
    assert first["total_is_exact"] is True


def test_a_list_filters_by_status_simulation_sweep_and_labels(alice):
    noop = submit(alice, simulation="noop", metadata={"n": 3, "flag": True, "word": "3", "ratio": 1.5})["jobs"]
    sweep = submit(alice, simulation="heat-rod", sweep=[{}, {}], metadata={"n": 4, "flag": False, "word": "x y"})
    cancelled = submit(alice, simulation="noop")["jobs"][0]
    alice.delete(f"{JOBS}/{cancelled}")

    def ids(**params):
        return {job["id"] for job in alice.get(JOBS, params=params).json()["items"]}

    assert ids(status="cancelled") == {cancelled}
    assert ids(status="success") == set()
    assert ids(status=["success", "cancelled"]) == {cancelled} == ids(reason=["cancelled_by_user", "oom"])
    assert ids(q="x y") == set(sweep["jobs"])
    assert ids(q=cancelled) == {cancelled}
    assert ids(created_to="2020-01-01T00:00:00+02:00") == set() != ids(created_from="2020-01-01T00:00:00Z")
    assert ids(simulation="heat-rod") == set(sweep["jobs"])
    assert ids(sweep=sweep["sweep"]) == set(sweep["jobs"])
    assert ids(**{"metadata.n": "3"}) == ids(**{"metadata.word": "3"}) == set(noop)
    assert ids(**{"metadata.flag": "true"}) == ids(**{"metadata.ratio": "1.5"}) == set(noop)
    assert ids(**{"metadata.flag": "false"}) == ids(**{"metadata.word": "x y"}) == set(sweep["jobs"])
    assert ids(**{"metadata.n": "3", "simulation": "heat-rod"}) == set()


def test_a_summary_is_the_row_without_what_only_a_job_page_shows(alice):
    submit(alice, simulation="heat-rod", sweep=[{}, {}], metadata={"n": 3})

    whole = alice.get(JOBS, params={"limit": 1}).json()
    short = alice.get(JOBS, params={"limit": 1, "view": "summary"}).json()

    assert {name: value for name, value in short.items() if name != "items"} == {
        name: value for name, value in whole.items() if name != "items"
    }
    assert short["items"] == [{name: whole["items"][0][name] for name in SUMMARY}]
    assert len(json.dumps(short["items"])) < 0.5 * len(json.dumps(whole["items"]))


SUMMARY = (
    "id", "status", "reason", "message", "simulation", "container_image", "sweep_id", "sweep_index", "progress",
    "created_at", "started_at", "finished_at", "metadata", "verdict",
)  # fmt: skip


def test_a_dry_run_prices_a_submission_and_stores_nothing(alice, anonymous, uow):
    body = {"simulation": "heat-rod", "sweep": [{"length": 1.0}, {"length": -1.0}]}

    answer = alice.post(JOBS, json=body, params={"dry_run": "true"}, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 200
    priced = answer.json()
    assert priced["refused"] == [
        {
            "index": 1,
            "errors": [
                {"field": "sweep[1].length", "limit": "should be greater than or equal to 0.000001", "unit": "m"},
            ],
        }
    ]
    assert (priced["points"], priced["refused_total"]) == (2, 1)
    assert priced["queue"] == {"waiting": 0, "limit": 20_000, "has_room": True, "ahead_s": 0.0, "cores": 0}
    estimate = priced["estimate"]
    assert 0.0 < estimate["work_s"] == estimate["wall_s"]["low"] == estimate["wall_s"]["high"]
    assert estimate["cell_steps"] == 101 * 100 * 2  # the mesh Fourier number is 1, of which 1/2 is stable
    assert estimate["memory_mb"] > 4.0
    assert count_jobs(uow) == 0
    assert anonymous.post(JOBS, json=body, params={"dry_run": "true"}).status_code == 401
    refused = alice.post(JOBS, json=body, params={"dry_run": "perhaps"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "dry_run")
    assert alice.post(JOBS, json={"simulation": "x"}, params={"dry_run": "1"}).status_code == 422
    submitted = alice.post(
        JOBS, json={"simulation": "noop"}, params={"dry_run": "false"}, headers={"Idempotency-Key": "k"}
    )
    assert submitted.status_code == 202


def test_labels_and_attempts_of_ones_own(alice, bob):
    (job,) = submit(alice, simulation="noop", metadata={"project": "bridge"})["jobs"]

    assert alice.get(f"{JOBS}/labels").json() == {
        "keys": [
            {"key": "project", "jobs": 1, "distinct": 1, "values": [{"value": "bridge", "jobs": 1}]},
        ]
    }
    assert bob.get(f"{JOBS}/labels").json() == {"keys": []}
    assert bob.get(f"{JOBS}/labels", params={"all": True}).status_code == 403
    assert alice.get(f"{JOBS}/{job}/attempts").json() == {"items": []}
    assert bob.get(f"{JOBS}/{job}/attempts").status_code == 404


@pytest.mark.parametrize(
    "params",
    [
        {"verdict": "maybe"},
        {"view": "short"},
        {"status": ["queued", "done"]},
        {"reason": "tired"},
        {"created_from": "2026-01-01T00:00:00"},
        {"created_from": "yesterday"},
        {"created_from": "2026-01-02T00:00:00Z", "created_to": "2026-01-02T00:00:00Z"},
        {"q": ""},
        {"q": "a\nb"},
        {"page": 0},
        {"page": "x"},
        {"size": 0},
        {"size": 201},
        {"status": "done"},
        {"sweep": "x"},
        {"simulation": "a" * 101},
        {"metadata.": "x"},
        {"metadata." + "a" * 65: "x"},
        {"metadata.a": "\0"},
        {"metadata.a": "x\ny"},
    ],
)
def test_a_filter_that_cannot_be_is_refused(alice, params):
    answer = alice.get(JOBS, params=params)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_stats_is_not_an_id_and_counts_every_state(alice):
    submit(alice, simulation="noop", sweep=[{}, {}, {}])
    alice.delete(f"{JOBS}/{submit(alice)['jobs'][0]}")

    stats = alice.get(f"{JOBS}/stats").json()

    assert stats["total"] == 4
    assert stats["by_status"] == {
        "queued": 3, "starting": 0, "running": 0, "cancelling": 0,
        "success": 0, "failed": 0, "cancelled": 1, "timed_out": 0, "expired": 0,
    }  # fmt: skip
    assert (stats["queue_depth"], stats["running"]) == (3, 0)
    assert stats["finished"] == {"last_minute": 1, "last_hour": 1, "by_five_minutes": [0] * 11 + [1]}
    assert stats["mean_wait_s"] is None  # nothing was started


def test_cancelling_ends_a_waiting_job_and_says_the_state_of_one_that_has_ended(alice):
    job = f"{JOBS}/{submit(alice)['jobs'][0]}"

    first = alice.delete(job)
    again = alice.delete(job)

    assert (first.status_code, first.json()["status"], first.json()["reason"]) == (
        202,
        "cancelled",
        "cancelled_by_user",
    )
    assert (again.status_code, again.json()["job_status"]) == (409, "cancelled")


def test_a_job_that_has_ended_can_be_removed_and_no_other(alice):
    job = f"{JOBS}/{submit(alice)['jobs'][0]}"

    assert alice.post(f"{job}/purge").status_code == 409
    alice.delete(job)
    assert alice.post(f"{job}/purge").status_code == 204
    assert alice.get(job).status_code == 404
    assert alice.post(f"{job}/purge").status_code == 404


def test_an_administrator_sees_everybodys_only_when_asking(alice, administrator):
    job = submit(alice)["jobs"][0]

    assert administrator.get(JOBS).json()["items"] == []
    assert administrator.get(f"{JOBS}/{job}").status_code == 404
    assert [item["id"] for item in administrator.get(JOBS, params={"all": True}).json()["items"]] == [job]
    assert alice.get(JOBS, params={"all": True}).status_code == 403
    cancelled = administrator.delete(f"{JOBS}/{job}", params={"all": True}).json()
    assert cancelled["reason"] == "cancelled_by_admin"


def test_a_repeated_request_with_a_key_gives_the_same_answer(alice, uow):
    headers = {"Idempotency-Key": "once"}
    first = alice.post(JOBS, json=README_SWEEP, headers=headers)
    second = alice.post(JOBS, json=README_SWEEP, headers=headers)

    assert (second.status_code, second.content) == (202, first.content)
    assert count_jobs(uow) == 3
    other = alice.post(JOBS, json=README_JOB, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    broken = alice.post(JOBS, content=b"{", headers={**headers, "Content-Type": "application/json"})
    assert broken.json()["type"] == "/problems/idempotency-key-reused"  # the fingerprint comes before the decoding
    assert alice.post(JOBS, json=README_JOB, headers={"Idempotency-Key": ""}).status_code == 422


@pytest.mark.parametrize(
    ("image", "status", "kind"),
    [("evil:latest", 422, "/problems/invalid-field"), ("no-sandbox:1", 409, "/problems/sandbox-unavailable")],
)
def test_an_image_that_is_not_listed_or_has_no_sandbox_is_refused(alice, uow, image, status, kind):
    answer = alice.post(JOBS, json={"container_image": image})

    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert count_jobs(uow) == 0


def test_a_study_is_refused_by_name(alice):
    answer = alice.post(JOBS, json={"simulation": "noop", "study": {}})

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unsupported")
    assert "study" in answer.json()["detail"]


MARK = "zzmarkzz"
BAD_BODIES = {
    "nothing": b"",
    "no object": b"[]",
    "half": b'{"simulation": "noop"',
    "NaN": b'{"simulation": "heat-rod", "params": {"length": NaN}}',
    "infinity": b'{"simulation": "heat-rod", "params": {"length": -Infinity}}',
    "beyond a double": b'{"simulation": "heat-rod", "params": {"length": 1e999}}',
    "ten thousand digits": b'{"simulation": "heat-rod", "params": {"length": ' + b"9" * 10_000 + b"}}",
    "NUL": rb'{"metadata": {"a": "\u0000"}}',
    "NUL key": rb'{"metadata": {"\u0000": 1}}',
    "surrogate": rb'{"metadata": {"a": "\ud800"}}',
    "deep": b'{"metadata": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "twice": b'{"simulation": "noop", "simulation": "heat-rod"}',
    "not UTF-8": b'{"simulation": "\xff"}',
    "negative length": b'{"simulation": "heat-rod", "params": {"length": -1}}',
    "one node": b'{"simulation": "heat-rod", "params": {"spatial_steps": 1}}',
    "giant": b'{"simulation": "heat-rod", "params": {"spatial_steps": 1000000000}}',
    "giant of the program": b'{"params": {"time_steps": 1000000000}}',
    "text for a number": b'{"simulation": "heat-rod", "params": {"length": "zzmarkzz"}}',
    "unknown field": b'{"simulation": "noop", "zzmarkzz<b>": 1}',
    "unknown parameter": b'{"simulation": "noop", "params": {"zzmarkzz<b>": 1}}',
    "unknown simulation": b'{"simulation": "zzmarkzz"}',
    "owner": b'{"simulation": "noop", "owner": "zzmarkzz"}',
    "both": b'{"simulation": "noop", "container_image": "sim:local"}',
    "list of numbers": b'{"simulation": "noop", "sweep": [1, 2]}',
    "boolean retries": b'{"simulation": "noop", "retries": true}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bad_input_is_a_clear_422_that_stores_nothing_and_repeats_nothing(alice, uow, body):
    answer = alice.post(JOBS, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert MARK not in answer.text
    assert count_jobs(uow) == 0


def test_an_error_in_a_sweep_names_point_limit_and_unit(alice):
    answer = alice.post(JOBS, json={"simulation": "heat-rod", "sweep": [{}, {"length": -1}]})

    (error,) = answer.json()["errors"]
    assert (error["field"], error["unit"]) == ("sweep[1].length", "m")
    assert "0" in error["limit"]


def test_a_body_that_is_not_json_by_its_type_is_refused(alice):
    answer = alice.post(JOBS, content=json.dumps(README_JOB), headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415


def test_a_full_queue_says_when_to_come_back(client_for, settings, uow):
    client = client_for("dora")
    with uow.begin() as tx:
        tx.queues.set_limits(client.user_id, queue_limit=1, active_limit=None)

    answer = client.post(JOBS, json={"simulation": "noop", "sweep": [{}, {}]})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert count_jobs(uow) == 0


def test_a_path_that_is_no_id_is_refused(alice):
    assert alice.get(f"{JOBS}/not-a-uuid").status_code == 422


def test_every_read_names_only_what_a_caller_may_know(alice):
    job = alice.get(f"{JOBS}/{submit(alice)['jobs'][0]}").json()

    assert not {"owner", "owner_id", "lease_owner", "lease_until", "epoch", "spec_hash", "batch_key"} & job.keys()


def test_a_list_by_cursor_shows_each_job_once_while_others_come_and_go(alice):
    """A page shifts by what comes: here it shows three jobs twice. A cursor does not, though its own job is removed."""
    made = [submit(alice)["jobs"][0] for _ in range(9)]
    first_page = [job["id"] for job in alice.get(JOBS, params={"size": 3}).json()["items"]]
    answer = alice.get(JOBS, params={"limit": 3}).json()
    by_cursor = [job["id"] for job in answer["items"]]
    assert (answer["page"], answer["pages"], answer["total"], answer["next"]) == (None, None, 9, by_cursor[-1])
    for _ in range(3):
        submit(alice)
    alice.delete(f"{JOBS}/{answer['next']}")
    assert alice.post(f"{JOBS}/{answer['next']}/purge").status_code == 204

    second_page = [job["id"] for job in alice.get(JOBS, params={"size": 3, "page": 2}).json()["items"]]
    while answer["next"] is not None:
        answer = alice.get(JOBS, params={"limit": 3, "after": answer["next"]}).json()
        by_cursor += [job["id"] for job in answer["items"]]

    assert by_cursor == made[::-1]
    assert set(first_page[:2]) < set(second_page)


def test_a_page_tells_the_cursor_behind_it(alice):
    made = [submit(alice)["jobs"][0] for _ in range(5)]
    page = alice.get(JOBS, params={"page": 2, "size": 2}).json()

    rest = alice.get(JOBS, params={"after": page["next"]}).json()

    assert [job["id"] for job in rest["items"]] == made[:1]
    assert rest["next"] is None


def test_a_label_is_a_filter_in_either_form_of_jobs_and_sweeps(alice):
    first = submit(alice, simulation="noop", sweep=[{}], metadata={"project": "a:b", "run": "1"})
    submit(alice, simulation="noop", sweep=[{}], metadata={"project": "a:b", "run": "2"})

    for query in ("metadata.project=a:b&metadata.run=1", "label=project:a:b&label=run:1", "label=run:1"):
        jobs = alice.get(f"{JOBS}?{query}").json()
        sweeps = alice.get(f"/api/v1/sweeps?{query}").json()
        assert ([job["id"] for job in jobs["items"]], jobs["total"]) == (first["jobs"], 1)
        assert ([sweep["id"] for sweep in sweeps["items"]], sweeps["total"]) == ([first["sweep"]], 1)


def test_a_name_in_the_query_that_nothing_reads_is_refused_by_name(alice, administrator):
    """A slip (`statuss`) would else list everything as if it were what was asked for."""
    job_id = submit(alice)["jobs"][0]
    for path in ("jobs", "jobs/stats", f"jobs/{job_id}", f"jobs/{job_id}/result", "sweeps", "users/me"):
        answer = alice.get(f"/api/v1/{path}", params={"statuss": "success"})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["statuss"]
    assert alice.get(f"{JOBS}/{job_id}", params={"job_id": job_id}).status_code == 422  # a name of the path
    assert "page" in alice.get(JOBS, params={"statuss": 1}).json()["errors"][0]["limit"]
    assert alice.post(f"{JOBS}?dry=true", json={"simulation": "noop"}).status_code == 422
    assert alice.get(JOBS).json()["total"] == 1
    assert administrator.get("/api/v1/users", params={"q": "x"}).status_code == 422


def test_probes_may_put_what_they_like_into_the_query(anonymous):
    assert anonymous.get("/live", params={"at": 1}).status_code == 200
