"""`grid monitor --once`: what one look waits for, and how it is printed on terminals, pipes and in ASCII."""

import asyncio
import io
import re
import subprocess
import sys

import pytest
from rich.console import Console
from tests.doubles.monitor_sources import ScriptedSource, make_alert, make_frame, make_reading
from typer.testing import CliRunner

from grid.cli.main import app
from grid.cli.monitor.looking import Look, look_once
from grid.cli.monitor.printing import RAMP, print_look
from grid.cli.monitor.source import Happening, Status

pytestmark = pytest.mark.anyio
BURST = {"kind": "burst", "power_w": 2e4, "position_m": [0.4, 0.5]}
NEVER_S = 600.0  # longer than the test may take


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def look(source, **options) -> Look:
    async with asyncio.timeout(20.0):
        return await look_once(source, **options)


def make_source() -> ScriptedSource:
    source = ScriptedSource()
    source.send(frame=make_frame(), reading=make_reading(), alerts=(make_alert(),))
    source.send(happening=Happening(5, "applied", {"seq": 7}, {"kind": "event", "payload": BURST}))
    return source


def printed(found: Look, **options) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=options.pop("encoding", "utf-8"))
    print_look(found, Console(file=file, width=100, **options), now=1000.5)
    file.flush()
    return file.buffer.getvalue().decode(file.encoding)


async def test_a_pipe_gets_shades_of_ascii_numbers_alerts_and_events():
    source = make_source()
    text = printed(await look(source, patience_s=NEVER_S))
    lines = text.splitlines()
    picture = lines[3:23]

    assert source.is_closed
    assert "burst-3 RUNNING" in lines[0]
    assert "tick 10" in lines[0]
    assert lines[2] == f"temperature 300.0 K |{RAMP}| 540.0 K"
    assert all(set(line) <= set(RAMP + "Xo ") for line in picture)
    ((row, column),) = [(at, line.index("X")) for at, line in enumerate(picture) if "X" in line]
    assert abs(row - 20 * (1 - 20.5 / 64)) <= 1  # the hottest cell is cell 40, 20 of 64 x 64, y upwards
    assert abs(column - 40 * 40.5 / 64) <= 1
    assert "peak 538.2 K   mean 341.0 K   util 0.8100   step 9.000 ms" in text
    assert "HIGH hot 538.2 > 520.0" in text
    assert "#7 burst 20 kW at (0.4, 0.5) m" in text
    assert "\x1b" not in text


async def test_a_terminal_with_colours_gets_half_blocks_and_one_without_gets_shades():
    found = await look(make_source())
    coloured = printed(found, force_terminal=True, color_system="truecolor")
    bare = printed(found, force_terminal=True, color_system="truecolor", no_color=True)
    few = printed(found, force_terminal=True, color_system="standard")

    assert "▀" in coloured
    assert "38;2;" in coloured
    for text in (bare, few):
        assert "▀" not in text
        assert "38;2;" not in text
        assert RAMP in text


async def test_an_encoding_without_signs_gets_words_that_it_has():
    text = printed(await look(make_source()), encoding="ascii")
    assert "^  HIGH hot" in text
    assert "?" not in text


async def test_a_run_that_is_over_is_not_waited_for():
    source = ScriptedSource(status=Status("stopped", link="over", reason="You stopped the run."))
    source.send(alerts=())
    text = printed(await look(source, patience_s=NEVER_S))

    assert "STOPPED" in text
    assert "You stopped the run. This is its last state." in text
    assert "no picture: the run has ended" in text
    assert text.count("none") >= 2  # neither alerts nor events


async def test_a_run_that_is_over_is_shown_as_it_ended():
    source = ScriptedSource(status=Status("stopped", link="over", reason="You stopped the run."))
    source.send(frame=make_frame(), reading=make_reading(), alerts=())
    text = printed(await look(source, patience_s=NEVER_S))

    assert f"|{RAMP}| 540.0 K" in text
    assert "peak 538.2 K" in text
    assert "This is its last state." in text


async def test_what_does_not_come_is_told_as_not_known():
    text = printed(await look(ScriptedSource(status=Status("queued")), patience_s=0.05))

    assert "QUEUED" in text
    assert "no picture yet" in text
    assert "not known" in text


async def test_an_older_picture_is_not_taken_for_that_of_a_later_tick():
    source = ScriptedSource(status=Status("paused"))
    source.send(frame=make_frame(), reading=make_reading(), alerts=())
    looking = asyncio.create_task(look(source, ticks=11, patience_s=NEVER_S))
    while ("step", 11) not in source.asked:
        await asyncio.sleep(0.01)
    assert not looking.done()
    source.send(frame=make_frame(tick=11), reading=make_reading(11))
    assert (await looking).state.tick == 11


def test_a_scenario_is_printed_after_the_ticks_asked_for_without_textual():
    script = (
        "import sys; from typer.testing import CliRunner; from grid.cli.main import app; "
        "done = CliRunner().invoke(app, ['monitor', '--scenario', 'burst', '--cells', '16x16', '--once', "
        "'--ticks', '45']); print(done.output); "
        "sys.exit(done.exit_code or ('textual loaded' if 'textual' in sys.modules else 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "burst PAUSED  t 45.00 s  tick 45" in done.stdout
    assert "burst 800 W for 60 s" in done.stdout
    assert re.search(
        r"^X \d+\.\d+ °C @ \([\d.]+, [\d.]+\) m$", done.stdout, re.MULTILINE
    )  # of three axes one is a single cell


@pytest.mark.parametrize("arguments", [("--ticks", "5"), ("--scenario", "burst", "--ticks", "5")])
def test_ticks_without_one_look_at_a_scenario_are_refused(arguments):
    done = CliRunner().invoke(app, ["monitor", *arguments])
    assert done.exit_code != 0
    assert "--ticks goes with --scenario and --once" in done.stderr
