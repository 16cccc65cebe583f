"""Numbers and sentences of the monitor."""

import pytest
from tests.doubles.monitor_sources import make_alert

from grid.cli.monitor.source import Happening
from grid.cli.monitor.texts import (
    age_text,
    alert_mark,
    alert_text,
    clean,
    command_text,
    happening_text,
    number,
    quantity,
    sparkline,
)

BURST = {"kind": "burst", "position_m": [0.4, 0.5], "radius_m": 0.02, "power_w": 2e4, "duration_s": 2.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [(538.17, "538.2"), (0.31, "0.3100"), (0.0, "0"), (-12.345, "-12.35"), (1234567.0, "1.235e6"), (2e-5, "2.000e-5"),
     (None, "\u2013"), (float("nan"), "\u2013"), (12345.6, "12346")],
)  # fmt: skip
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


def test_quantities_have_prefixes():
    assert quantity(2e4, "W") == "20 kW"
    assert quantity(3.5e6, "W/m²") == "3.5 MW/m²"
    assert quantity(2000.0, "s") == "2000 s"
    assert quantity(0.5, "") == "0.5"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "40 ms"), (0.9996, "1.0 s"), (2.34, "2.3 s"), (252.0, "4 min 12 s"), (11_100.0, "3 h 5 min"),
        (None, "\u2013"),
    ],
)  # fmt: skip
def test_ages_are_read_at_a_glance(seconds, text):
    assert age_text(seconds) == text


def test_a_curve_keeps_its_peak_whatever_its_width():
    values = [0.0] * 99
    values[42] = 7.0
    for width in (3, 10, 33, 98):
        curve = sparkline(values, width)
        assert len(curve) == width
        assert curve.count("█") == 1
    assert sparkline([5.0] * 9, 4).strip("▁ ") == ""
    assert sparkline([], 4) == "    "
    assert sparkline([1.0, 2.0], 5) == "   ▁█"


def tell(kind, command=None, **payload):
    return happening_text(Happening(5310, kind, payload, command))


def test_events_say_what_happened():
    assert tell("applied", {"kind": "event", "payload": BURST}, seq=7) == "#7 burst 20 kW for 2 s at (0.4, 0.5) m"
    assert tell("refused", {"kind": "model", "payload": {"model": "lumped"}}, seq=8, reason="a face is held") == (
        "#8 REFUSED model lumped: a face is held"
    )
    assert tell("switch", model="diffusive", bound="1.4", text="") == "switch → diffusive at 1.40 of its limit"
    assert tell("switch", model="lumped", bound="inf", text="why") == "switch → lumped: why"
    assert tell("alert", rule="over-temperature", to="firing", value=538.2) == "alert over-temperature firing at 538.2"
    assert tell("alert", rule="over-temperature", to="ok", value=400.0).endswith("resolved at 400.0")
    assert tell("state", {"kind": "pause", "payload": {}}, seq=9, paused=True, speed=1.0) == "#9 pause: paused"
    assert tell("state", {"kind": "speed", "payload": {"speed": "max"}}, seq=9, paused=False).startswith("#9 speed max")
    assert tell("state", state="stopped", reason="ok") == "stopped: ok"
    assert tell("state", state="running", reason=None) == "running"
    assert tell("alert", rule="hot", part="cover", to="no_data") == "alert hot has no data"
    assert tell("alert", rule="hot", part="cover", to="ok") == "alert hot is judged by its samples again"
    assert tell("mode", part="physics", rung=3, reason="no tick is finished") == "MODE physics 3: no tick is finished"
    assert tell("mode", part="physics", rung=0, reason="") == "mode physics full again"
    assert tell("failed-cell", cell=[1, 2], reason="stress") == "FAILED cell 1,2 stress"
    assert tell("failed-cell", cells=12) == "FAILED 12 more cells"
    assert tell("failed-region", region="r3", shed_w=0.0) == "FAILED region r3"
    assert tell("yield", cell=[3, 4], utilisation=1.01) == "first yield at cell 3,4, utilisation 1.010"
    assert tell("slip", slipped_s=0.4, slips=1) == "slip: 400 ms of wall time dropped"
    assert tell("slip", slipped_s=30.0, slips=1, cause="compiling").endswith("dropped, kernels were compiled")
    assert tell("behind", ratio=0.5) == "BEHIND, ratio 0.500"
    assert tell("resumed", from_tick=5, to_tick=9) == "resumed: ticks 5 to 9 computed again"
    assert tell("gap", events=3) == "GAP: 3 events are not shown here"
    assert tell("something-new", a=1, b=[2.5, "x"]) == "something-new a 1 b 2.5,x"


def test_other_commands_are_named():
    flow = {"kind": "flow", "face": "x_min", "heat_flux_w_m2": 1e5, "duration_s": 3.0}
    assert command_text({"kind": "event", "payload": flow}) == "flow 100 kW/m² x_min for 3 s"
    assert command_text({"kind": "end-event", "payload": {"seq": 3}}) == "end of event #3"
    assert command_text({"kind": "step", "payload": {"ticks": 4}}) == "step of 4 ticks"
    assert command_text({"kind": "mode", "payload": {"physics": "lumped"}}) == "physics lumped"
    assert command_text(None) == "a command"


def test_a_terminal_obeys_nothing_that_a_name_holds():
    assert clean("a\x1b[2Jb\nc") == "a [2Jb c"
    assert len(clean("x" * 5000)) == 400


def test_the_form_of_a_mark_tells_the_severity_without_colour():
    marks = [alert_mark(make_alert(severity=name)) for name in ("critical", "high", "medium", "low")]
    assert len(set(marks)) == 4
    assert alert_mark(make_alert(hidden="silenced")) == "~"
    assert alert_mark(make_alert(state="pending")) == "◌"


def test_alerts_say_value_limit_and_what_hides_them():
    assert alert_text(make_alert(), 538.0) == "HIGH hot 538.0 > 520.0"
    assert alert_text(make_alert(is_acknowledged=True), 538.0).endswith("(seen)")
    assert alert_text(make_alert(hidden="inhibited"), None) == "firing hot \u2013 > 520.0 (inhibited)"
    assert alert_text(make_alert(state="holding"), 500.0) == "HIGH hot 500.0, was > 520.0 (holding)"
    assert alert_text(make_alert(metric="peak_stress", threshold=8e7), 1e8) == "HIGH hot 100.0 > 80.00 MPa"
