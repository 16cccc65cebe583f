"""Hostile scenes, events and rules: each a refusal of the constant shape that repeats nothing and stores nothing."""

import copy
import random

import pytest
from tests.support.fuzzing import NASTY, find_places, make_problem

RUNS = "/api/v1/engine/runs"
CANARY = "ca9ar1"
ODD = f"{CANARY} \n"  # as a name: no plain one, so it is not repeated
BURST = {"kind": "burst", "position_m": [0.4, 0.5], "radius_m": 0.05, "power_w": 100.0, "duration_s": 5.0}
RULE = {"name": "hot", "metric": "highest", "raise": 400.0, "clear": 350.0}
PLATE = {"scenario": "burst", "cells": [16, 16]}


@pytest.fixture(scope="module")
def alice(open_clients, tmp_path_factory):
    """A user with one run; nothing that is sent here may change it."""
    with open_clients(tmp_path_factory.mktemp("refused")) as opened:
        client = opened.log_in("alice")
        client.run = f"{RUNS}/{client.post(RUNS, json=PLATE).json()['id']}"
        yield client


def require_refused(answer):
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert len(answer.content) < 20_000


@pytest.mark.parametrize(
    "body",
    [
        {"scenario": CANARY},
        {"scenario": CANARY * 50},
        {**PLATE, "params": {"power": CANARY}},
        {**PLATE, "params": {ODD: 1}},
        {**PLATE, "params": {"power": [[CANARY]]}},
        {**PLATE, "method": CANARY},
        {**PLATE, "model": CANARY},
        {**PLATE, "policy": CANARY},
        {**PLATE, "tick_s": CANARY},
        {**PLATE, "name": CANARY * 50},
        {**PLATE, ODD: 1},
        {"scene": {ODD: 1}, "tick_s": "1"},
        {"scene": {"case": {ODD: CANARY}}, "tick_s": "1"},
        {"scene": {"case": CANARY}, "tick_s": "1"},
        {"scene": {"case": {"initial": {"expression": CANARY}}, "structure": {ODD: CANARY}}, "tick_s": "1"},
    ],
    ids=range(15),
)
def test_a_run_that_cannot_be(alice, body):
    require_refused(alice.post(RUNS, json=body))
    assert alice.get(RUNS).json()["total"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "events", {"kind": CANARY}),
        ("POST", "events", {**BURST, ODD: CANARY}),
        ("POST", "events", {**BURST, "shape": CANARY}),
        ("POST", "events", {**BURST, "client_id": f"{CANARY} {CANARY}"}),
        ("POST", "events", [BURST, {**BURST, "position_m": CANARY}]),
        ("POST", "events", [BURST, [BURST]]),
        ("POST", "events", {"kind": "overload", "power_w": 1.0, "region": {"name": CANARY}}),
        ("POST", "events", {"kind": "overload", "power_w": 1.0, "region": CANARY}),
        ("POST", "events", {"kind": "boundary", "face": CANARY, "law": {"type": CANARY}}),
        ("POST", "events", {"kind": "boundary", "face": "y_min", "law": {"type": "flux", "value": ODD}}),
        ("POST", "events", {"kind": "cooling-loss", "faces": [{}, []], "remaining": 0.5}),
        ("POST", "events", {"kind": "cooling-loss", "faces": [CANARY], "remaining": 0.5}),
        ("PUT", "rules", {"rules": [{**RULE, ODD: CANARY}]}),
        ("PUT", "rules", {"rules": [{**RULE, "metric": CANARY}]}),
        ("PUT", "rules", {"rules": [{**RULE, "name": CANARY.upper()}]}),
        ("PUT", "rules", {"rules": [{**RULE, "raise": CANARY}]}),
        ("PUT", "rules", {"rules": [{**RULE, "labels": {ODD: CANARY}}]}),
        ("PUT", "rules", {"rules": CANARY}),
        ("PUT", "model", {"model": CANARY}),
        ("PUT", "speed", {"speed": CANARY}),
        ("POST", "step", {"ticks": CANARY}),
    ],
    ids=range(21),
)  # fmt: skip
def test_a_command_that_cannot_be(alice, method, path, body):
    require_refused(alice.request(method, f"{alice.run}/{path}", json=body))
    assert alice.get(alice.run).json()["commands"] == 2


def test_problems_drawn_at_random_and_bent_ones_are_priced_or_refused(alice):
    """Never a fault of the server: most of these have something that no live method solves."""
    rng, seen = random.Random(5), set()
    for _ in range(60):
        case = make_problem(rng)
        scene = {"case": case, "structure": {"reference_temperature": 300.0}} if rng.random() < 0.3 else {"case": case}
        scene = copy.deepcopy(scene)
        if rng.random() < 0.5:
            *path, last = rng.choice(find_places(scene))
            place = scene
            for key in path:
                place = place[key]
            place[last] = rng.choice([bad for bad in NASTY if is_json(bad)])
        answer = alice.post(RUNS, json={"scene": scene, "tick_s": "0.5"}, params={"dry_run": "true"})
        assert answer.status_code in {200, 422}, answer.text
        seen.add(answer.status_code)
    assert 422 in seen


def is_json(value):
    """Whether the test client can send it."""
    return value == value and value not in (float("inf"), -float("inf")) and value not in ("\x00", "\ud800")
