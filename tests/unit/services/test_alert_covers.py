"""Covers of rules on a clock of their own, beside a model that looks at the whole history at once."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from grid.services.alerts.covers import Covered, Sighting, apply_input, list_inputs

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STALE_S, NO_DATA_S = 3.0, 10.0

SECONDS = st.lists(st.sampled_from(["sample", "silent", "silent", "rest", "wait"]), min_size=1, max_size=60)


def at(second):
    return BEGIN + timedelta(seconds=second)


def expected(history, second):
    """What covers a rule after a second: the last word on pauses, else the age of what was heard last."""
    phases = [one for one in history[: second + 1] if one != "wait"]
    if not phases:
        return None
    if phases[-1] == "rest":
        return "suspended"
    rests = [index for index in range(second + 1) if history[index] == "rest"]
    resumed = None
    if rests:
        resumed = next(index for index in range(rests[-1] + 1, second + 1) if history[index] in ("sample", "silent"))
    samples = [index for index in range(second + 1) if history[index] == "sample"]
    heard = max([0, *samples, *([resumed] if resumed is not None else [])])
    return classify(history, second, heard, resumed, samples)


def classify(history, second, heard, resumed, samples):
    last = max((index for index in range(second + 1) if history[index] in ("sample", "silent")), default=second)
    age = last - heard
    if age > NO_DATA_S:
        return "no_data"
    if age > STALE_S:
        return "stale"
    if resumed is not None and not [index for index in samples if index > resumed]:
        return ...  # a pause has ended, and nothing was heard since: what was beneath it
    return None


def follow(history, looks=None):
    """Covers after each second at which somebody looks, and what was told."""
    covered, heard, found, told = Covered(), at(0), {}, []
    for second, moment in enumerate(history):
        if moment == "sample":
            heard = at(second)
        phase = {"rest": "rests", "wait": "waits"}.get(moment, "ticks")
        if looks is None or second in looks:
            seen = Sighting(phase, at(second), heard)
            for one in list_inputs(covered, seen, stale_after=STALE_S, no_data_after=NO_DATA_S):
                covered = apply_input(covered, one, seen.now)
                told.append(one)
            found[second] = covered.cover
    return found, told


@given(history=SECONDS)
def test_a_cover_is_what_the_history_says(history):
    found, _ = follow(history)

    for second, cover in found.items():
        wanted = expected(history, second)
        if wanted is not ...:
            assert cover == wanted, (history[: second + 1], cover, wanted)


@given(history=SECONDS)
def test_what_is_told_is_always_new(history):
    _, told = follow(history)

    for before, after in itertools.pairwise(told):
        assert (before, after) not in {("stale", "stale"), ("paused", "paused"), ("no_data", "stale")}
    assert told.count("resumed") in (told.count("paused"), told.count("paused") - 1)


@given(gap=st.integers(min_value=0, max_value=40), silent=st.integers(min_value=0, max_value=40))
def test_a_loop_that_stood_still_says_the_same_in_the_same_order(gap, silent):
    """Without a pause between, what is said of a silent run does not depend on when somebody looks."""
    history = ["sample"] * 3 + ["silent"] * (gap + silent)
    always, told = follow(history)
    once, told_once = follow(history, looks={len(history) - 1})

    assert once[len(history) - 1] == always[len(history) - 1]
    assert told_once == told


def test_the_end_closes_for_good_and_a_slow_run_is_not_stale():
    ended = Sighting("ended", at(9), at(0))
    assert list_inputs(Covered("suspended", "stale"), ended, stale_after=3, no_data_after=10) == ["ended"]
    assert list_inputs(Covered("closed"), Sighting("ticks", at(99), at(0)), stale_after=3, no_data_after=10) == []
    slow = Sighting("ticks", at(20), at(0), least_s=30.0)
    assert list_inputs(Covered(), slow, stale_after=3, no_data_after=10) == []
