"""Waiting for a live run: it looks until everything asked for is so, and no longer than the run lives."""

from itertools import chain, repeat
from types import SimpleNamespace
from uuid import UUID

import pytest

from grid.cli.live_waiting import LONGEST_PAUSE_S, watch

RUN = UUID(int=1)


class Client:
    """A client whose run is at each of some places, one a look; the last one stays."""

    def __init__(self, *places, fired=()):
        looks = [SimpleNamespace(tick=tick, status=status, message="Why.") for tick, status in places]
        self._looks = chain(looks, repeat(looks[-1]))
        self.looked = 0
        self._fired = chain([[], []], repeat([SimpleNamespace(rule=name) for name in fired]))  # at the third look
        self.engine = SimpleNamespace(show=self._show)
        self.alerts = SimpleNamespace(list=self._list)

    def _show(self, run):
        assert run == RUN
        self.looked += 1
        return next(self._looks)

    def _list(self, *, run, limit):
        assert (run, limit > 0) == (RUN, True)
        return SimpleNamespace(items=next(self._fired))


def wait_for(client, **wanted):
    pauses = []
    found = watch(
        client, RUN, **{"tick": None, "state": None, "alert": None, "timeout_s": 60.0, **wanted}, sleep=pauses.append
    )
    return found, pauses


def test_it_looks_until_tick_and_state_are_reached_with_longer_pauses():
    client = Client((0, "starting"), (4, "running"), (9, "running"), (12, "paused"))
    (found, missing), pauses = wait_for(client, tick=5, state="paused")

    assert (found.tick, missing, client.looked) == (12, [], 4)
    assert pauses == sorted(pauses)
    assert pauses[-1] <= LONGEST_PAUSE_S


def test_an_alert_that_has_fired_is_waited_for():
    client = Client((1, "running"), fired=("other", "hot"))
    assert wait_for(client, alert="hot")[0][1] == []
    assert client.looked == 3


@pytest.mark.parametrize("status", ["stopped", "failed"])
def test_a_run_that_ends_before_is_waited_for_no_longer(status):
    client = Client((1, "running"), (2, status))
    (found, missing), _ = wait_for(client, tick=5, state="paused", alert="hot")
    assert (found.status, missing) == (status, ["tick 5", "state paused", "an alert hot"])


def test_what_takes_too_long_is_told():
    with pytest.raises(TimeoutError, match="tick 5 of run"):
        wait_for(Client((1, "running")), tick=5, timeout_s=0.0)
