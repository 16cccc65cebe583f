"""Tickets of streams over HTTP."""

import pytest

TICKETS = "/api/v1/streams/tickets"


@pytest.mark.parametrize("body", [None, {}])
def test_who_is_logged_in_gets_a_ticket(alice, body):
    answer = alice.post(TICKETS, json=body) if body is not None else alice.post(TICKETS)

    assert answer.status_code == 201
    assert answer.json()["ticket"].startswith("grid_st_")
    assert answer.json()["expires_in"] == 30
    assert answer.headers["cache-control"] == "no-store"


def test_who_is_not_logged_in_gets_none(anonymous):
    assert anonymous.post(TICKETS, json={}).status_code == 401


def test_a_member_that_means_nothing_is_refused(alice):
    answer = alice.post(TICKETS, json={"seconds": 3600})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "seconds"


def test_who_has_many_unused_tickets_is_told_to_wait(alice):
    statuses = {alice.post(TICKETS).status_code for _ in range(31)}

    assert statuses == {201, 429}
