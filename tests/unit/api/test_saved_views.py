"""Saved views of the page: one document for each user, which two tabs do not overwrite unseen."""

import pytest

from grid.services.saved_views import MOST_BYTES

VIEWS = "/api/v1/users/me/views"
FAILED = {"failed": {"path": "/jobs", "search": {"status": ["failed"]}}}


def test_a_stranger_has_none(anonymous):
    assert anonymous.get(VIEWS).status_code == 401
    assert anonymous.put(VIEWS, json={"views": {}}).status_code == 401


def test_who_saved_nothing_has_an_empty_document_of_version_0(alice):
    answer = alice.get(VIEWS)

    assert answer.json() == {"views": {}, "version": 0, "updated_at": None}
    assert answer.headers["ETag"] == '"0"'


def test_what_was_saved_is_there_for_its_user_alone(alice, bob):
    saved = alice.put(VIEWS, json={"views": FAILED}, headers={"If-Match": '"0"'})

    assert (saved.status_code, saved.headers["ETag"]) == (200, '"1"')
    assert alice.get(VIEWS).json() == saved.json()
    assert saved.json()["views"] == FAILED
    assert bob.get(VIEWS).json()["views"] == {}


def test_of_two_tabs_that_save_the_second_reads_again(alice):
    first = alice.put(VIEWS, json={"views": FAILED}, headers={"If-Match": '"0"'})
    second = alice.put(VIEWS, json={"views": {}}, headers={"If-Match": '"0"'})

    assert (second.status_code, second.json()["type"]) == (412, "/problems/views-changed")
    assert "version 1" in second.json()["detail"]
    assert alice.get(VIEWS).json()["views"] == FAILED
    again = alice.put(VIEWS, json={"views": {}}, headers={"If-Match": first.headers["ETag"]})
    assert again.json()["version"] == 2


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
def test_without_a_condition_the_last_one_wins(alice, headers):
    for version in (1, 2):
        assert alice.put(VIEWS, json={"views": FAILED}, headers=headers).json()["version"] == version


@pytest.mark.parametrize("tag", ["0", 'W/"0"', '"x"', '""', '"0", "1"'])
def test_a_condition_that_is_no_version_is_refused(alice, tag):
    answer = alice.put(VIEWS, json={"views": {}}, headers={"If-Match": tag})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "If-Match"


def test_a_document_has_16_kib_at_most(alice):
    frame = len('{"a":""}')
    fits, too_long = ({"a": "x" * (MOST_BYTES - frame + more)} for more in (0, 1))

    assert alice.put(VIEWS, json={"views": fits}).status_code == 200
    refused = alice.put(VIEWS, json={"views": too_long})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"field": "views", "limit": "must have at most 16384 bytes as compact JSON, and has 16385", "unit": None}
    ]
    assert (
        alice.put(VIEWS, json={"views": {"a": "\u00e9" * (MOST_BYTES // 2)}}).status_code == 422
    )  # bytes, not letters
    assert alice.get(VIEWS).json()["version"] == 1


@pytest.mark.parametrize("body", [{}, {"views": []}, {"views": None}, {"views": {}, "owner": "bob"}, []])
def test_a_malformed_document_is_refused(alice, body):
    assert alice.put(VIEWS, json=body).status_code == 422
