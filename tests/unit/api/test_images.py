"""The list of images over HTTP: what a job may name, and nothing of who put it there."""

import httpx
from tests.support.service import CONTENT

from grid.schemas.images import FoundImage
from grid.services import images

IMAGES = "/api/v1/images"


def test_a_stranger_gets_nothing(anonymous):
    assert anonymous.get(IMAGES).status_code == 401


def test_users_see_what_jobs_may_name_where_it_runs_and_by_which_digest(alice, uow):
    images.add_image(uow, "built:1", FoundImage(CONTENT, None, 5), by="canary@host")
    images.add_image(uow, "solver:1", None, by="canary@host")
    answer: httpx.Response = alice.get(IMAGES)

    found = {one["name"]: (one["runner"], one["digest"]) for one in answer.json()["items"]}
    assert found.items() >= {"built:1": ("docker", CONTENT), "solver:1": (None, None)}.items()
    assert "canary" not in answer.text


def test_nobody_changes_the_list_over_http(alice):
    assert alice.post(IMAGES, json={"name": "evil:1"}).status_code == 405
    assert alice.delete(IMAGES).status_code == 405
