"""Leases: the claims that are renewed, and the margin before their end."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from grid.schemas.jobs import Claim
from grid.services.renders import RenderClaim
from grid.tasks.leases import Leases, fence_margin_s


@given(st.floats(2.0, 600.0))
def test_a_worker_gives_up_before_its_lease_ends_and_after_a_heartbeat_could_have_come(lease_s: float):
    margin = fence_margin_s(lease_s)
    assert 0 < margin <= min(5.0, lease_s / 2)


def test_leases_are_held_and_released_by_claim():
    leases, claim, render = Leases(), Claim(uuid4(), 1), RenderClaim(uuid4(), 1)
    leases.hold([claim])
    leases.hold_render(render)
    assert (leases.jobs(), leases.renders(), leases.count()) == ([claim], [render], 2)
    leases.release([claim, Claim(uuid4(), 1)])
    leases.release_render(render)
    leases.release_render(render)
    assert leases.count() == 0
