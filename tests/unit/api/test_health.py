"""Whether the service is there, part by part."""


def test_a_stranger_may_ask_whether_the_server_lives(anonymous):
    answer = anonymous.get("/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_says_no_and_names_the_worker_that_is_missing(anonymous):
    answer = anonymous.get("/ready")

    parts = {part["name"]: part for part in answer.json()["parts"]}
    assert answer.status_code == 503
    assert {name: (part["kind"], part["state"]) for name, part in parts.items()} == {
        "database": ("sqlite", "ready"),
        "worker": ("supervisor", "unavailable"),
        "bus": ("unix", "ready"),
        "artifacts": ("local", "ready"),
    }
    assert "grid worker" in parts["worker"]["detail"]


def test_a_user_of_the_fixtures_is_logged_in_and_a_stranger_is_not(alice, anonymous):
    assert alice.get("/api/v1/users/me").json()["username"] == "alice"
    assert anonymous.get("/api/v1/users/me").status_code == 401
