"""Networks of lumps against the matrix exponential, and thermostats against their closed form."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from grid.core.errors import FieldError, InvalidFieldsError
from grid.engine.verification.lumped import prepare_case

THERMOSTAT = {"name": "t", "sensor": "a", "on_below": 18.0, "off_above": 22.0, "initially": "on"}
ROOM = {
    "nodes": [{"name": "a", "heat_capacity": 10.0, "initial": 10.0}, {"name": "out", "temperature": 0.0}],
    "links": [{"between": ["a", "out"], "conductance": 2.0}],
    "sources": [{"node": "a", "power": 80.0, "control": "t"}],
    "controls": [THERMOSTAT],
}


def case(**lumped: Any) -> dict[str, Any]:
    return {"kind": "lumped", "model": "network", "temperature_unit": "degC", "lumped": lumped}


def ask(problem: dict[str, Any], quantity: str, **qualifiers: Any) -> Any:
    return prepare_case(problem)({"quantity": quantity, **qualifiers})


def test_a_network_follows_its_matrix_exponential():
    rng = np.random.default_rng(3)
    capacity, start = rng.uniform(1.0, 5.0, 4), rng.uniform(0.0, 100.0, 4)
    g = np.triu(rng.uniform(0.1, 2.0, (4, 4)), 1)
    nodes = [{"name": str(i), "heat_capacity": capacity[i], "initial": start[i]} for i in range(4)]
    links = [{"between": [str(i), str(j)], "conductance": g[i, j]} for i in range(4) for j in range(i + 1, 4)]
    laplacian = np.diag((g + g.T).sum(axis=1)) - g - g.T

    compute = prepare_case(case(nodes=nodes, links=links))
    expected = expm(-laplacian / capacity[:, None] * 0.7) @ start
    got = [compute({"quantity": "temperature", "node": str(i), "time": 0.7}) for i in range(4)]
    assert got == pytest.approx(expected, abs=1e-7)
    late = [compute({"quantity": "temperature", "node": str(i), "time": 1e3}) for i in range(4)]
    assert late == pytest.approx([capacity @ start / capacity.sum()] * 4, abs=1e-6)  # heat is kept


def test_a_thermostat_switches_when_its_closed_form_says():
    """tau = 5 s; on, the room tends to 40, off, to 0."""
    on, off = 5.0 * math.log(30.0 / 18.0), 5.0 * math.log(22.0 / 18.0)
    again = 5.0 * math.log(22.0 / 18.0)
    expected = [on, on + off, on + off + again, on + 2 * off + again]

    times = ask(case(**ROOM), "switch_times", control="t", time=expected[-1] + 0.1)
    assert times == pytest.approx(expected, abs=1e-7)
    assert ask(case(**ROOM), "temperature_at_switch", node="a", control="t", switch=7) == pytest.approx(22.0, abs=1e-7)
    assert ask(case(**ROOM), "temperature_at_switch", node="a", control="t", switch=8) == pytest.approx(18.0, abs=1e-7)


def test_a_control_that_starts_off_waits_for_its_lower_bound():
    room = ROOM | {
        "controls": [THERMOSTAT | {"initially": "off"}],
        "nodes": [{"name": "a", "heat_capacity": 10.0, "initial": 21.0}, {"name": "out", "temperature": 0.0}],
    }

    [first] = ask(case(**room), "switch_times", control="t", time=1.0)
    assert first == pytest.approx(5.0 * math.log(21.0 / 18.0), abs=1e-8)


def test_a_held_node_may_follow_a_table_and_be_the_sensor():
    """The heater goes off when the outside has warmed to 22, at t = 11."""
    room = ROOM | {
        "nodes": [ROOM["nodes"][0], {"name": "out", "temperature": {"table": [[0, 0.0], [50, 100.0]]}}],
        "controls": [THERMOSTAT | {"sensor": "out"}],
    }

    assert ask(case(**room), "switch_times", control="t", time=40.0) == pytest.approx([11.0], abs=1e-9)


def test_a_source_may_depend_on_the_temperature_of_its_node():
    """C dT/dt = 6 - 2 T: T = 3 (1 - exp(-2 t / C))."""
    nodes = [{"name": "a", "heat_capacity": 4.0, "initial": 0.0}, {"name": "b", "heat_capacity": 1.0, "initial": 0.0}]
    links = [{"between": ["a", "b"], "conductance": 1e-12}]
    sources = [{"node": "a", "power": {"expression": "6 - 2*T"}}]

    value = ask(case(nodes=nodes, links=links, sources=sources), "temperature", node="a", time=3.0)
    assert value == pytest.approx(3.0 * (1.0 - math.exp(-1.5)), abs=1e-8)


def test_a_switch_that_never_happens_is_refused():
    weak = ROOM | {"sources": [{"node": "a", "power": 10.0, "control": "t"}]}

    assert ask(case(**weak), "switch_times", control="t", time=100.0) == []
    with pytest.raises(FieldError, match="switch"):
        ask(case(**weak), "temperature_at_switch", node="a", control="t", switch=1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"links": [{"between": ["a", "nowhere"], "conductance": 1.0}]}, r"lumped.links\[0\].between\[1\]"),
        ({"links": [{"between": ["a", "a"], "conductance": 1.0}]}, r"lumped.links\[0\].between"),
        ({"links": [{"between": ["a", "out"], "conductance": 0.0}]}, r"lumped.links\[0\].conductance"),
        ({"sources": [{"node": "a", "power": 1.0, "control": "none"}]}, r"lumped.sources\[0\].control"),
        ({"controls": [THERMOSTAT | {"on_below": 30.0}]}, r"lumped.controls\[0\].on_below"),
        ({"controls": [THERMOSTAT, THERMOSTAT]}, r"lumped.controls.name"),
        ({"nodes": [{"name": "a", "temperature": 1.0}, {"name": "out", "temperature": 0.0}]}, "lumped.nodes"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(change, field):
    with pytest.raises((FieldError, InvalidFieldsError), match=field):
        prepare_case(case(**(ROOM | change)))
