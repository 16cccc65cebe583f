"""The field's widget: few segments, only changed lines, grey offline, shades without colours."""

import numpy as np
import pytest
from rich.color import Color
from tests.doubles.monitor_sources import make_frame
from textual.app import App

from grid.cli.monitor.characters import find_shade
from grid.cli.monitor.field import FieldView
from grid.cli.monitor.lines import LinesView, find_changes, find_regions
from grid.cli.monitor.palette import MAPS, OUTSIDE, STEPS
from grid.cli.monitor.picture import View, draw, find_runs
from grid.cli.monitor.spans import cut
from grid.client.frames import decode_frame


class Screen(App[None]):
    """One field, and some lines."""

    def __init__(self, *, has_colours: bool = True) -> None:
        super().__init__()
        self.view = FieldView(has_colours=has_colours)
        self.texts = LinesView()

    def compose(self):
        self.texts.styles.height = 3
        yield self.texts
        yield self.view


def make_picture(peak: float = 540.0, threshold: float | None = None):
    return draw(decode_frame(make_frame(peak)), View(60, 17, (1.0, 1.0), threshold=threshold))


@pytest.fixture
def anyio_backend():
    return "asyncio"


pytestmark = pytest.mark.anyio


async def test_a_line_has_one_segment_for_each_run_of_one_look():
    app = Screen()
    async with app.run_test(size=(60, 20)):
        picture = make_picture()
        app.view.show(picture)
        for row in range(17):
            strip = app.view.render_line(row)
            runs = find_runs(picture.keys[row])
            assert len(list(strip)) == len(runs)
            assert [len(segment.text) for segment in strip] == [length for _, length in runs]
            assert strip.cell_length == 60


async def test_only_lines_that_changed_are_drawn_again():
    app = Screen()
    async with app.run_test(size=(60, 20)) as pilot:
        first = make_picture()
        app.view.show(first)
        await pilot.pause()
        drawn = []
        original = app.view.render_line
        app.view.render_line = lambda y: drawn.append(y) or original(y)

        assert app.view.show(first) == 0
        await pilot.pause()
        assert drawn == []

        second = make_picture(threshold=400.0)  # the iso-line crosses some lines
        changed = np.flatnonzero((second.keys != first.keys).any(axis=1)).tolist()
        assert app.view.show(second) == len(changed)
        await pilot.pause()
        assert 0 < len(changed) < 17
        assert sorted(set(drawn)) == changed


async def test_a_picture_that_is_not_live_is_grey():
    app = Screen()
    async with app.run_test(size=(60, 20)):
        app.view.show(make_picture())
        colours = {segment.style.bgcolor for row in range(17) for segment in app.view.render_line(row)}
        assert Color.parse(f"#{MAPS['cividis'][-4]}") in colours

        assert app.view.turn_grey(is_grey=True) == 17
        for row in range(17):
            for segment in app.view.render_line(row):
                triplet = segment.style.bgcolor.triplet
                assert triplet.red == triplet.green == triplet.blue


async def test_without_colours_the_field_is_drawn_in_shades():
    app = Screen(has_colours=False)
    async with app.run_test(size=(60, 20)):
        app.view.show(make_picture())
        segments = [segment for row in range(17) for segment in app.view.render_line(row)]
        text = "".join(segment.text for segment in segments)

        assert {"░", "▒", "▓"} <= set(text)
        assert "\u2573" in text
        assert all(segment.style.color is None and segment.style.bgcolor is None for segment in segments)


@pytest.mark.parametrize(
    ("codes", "shade"), [((0, 0), " "), ((STEPS - 1, STEPS - 1), "█"), ((OUTSIDE, OUTSIDE), " "), ((16, OUTSIDE), "▒")]
)
def test_a_shade_follows_the_value(codes, shade):
    assert find_shade(*codes) == shade


async def test_lines_of_text_are_drawn_again_only_where_they_changed():
    app = Screen()
    async with app.run_test(size=(60, 20)) as pilot:
        one, two, other = (("one", ""),), (("two", "bad"),), (("other", "dim"),)
        app.texts.show([one, two])
        await pilot.pause()
        before = app.texts.drawn
        app.texts.show([one, two])
        assert app.texts.drawn == before
        app.texts.show([one, other])
        assert app.texts.drawn == before + 1
        assert app.texts.text == "one\nother"
        assert app.texts.render_line(1).text == "other".ljust(60)


def test_changes_and_regions_of_lines():
    assert find_changes(["a", "b"], ["a", "c", "d"]) == [1, 2]
    assert find_changes(["a", "b"], ["a"]) == [1]
    assert [(one.y, one.height) for one in find_regions([1, 2, 5], 9)] == [(1, 2), (5, 1)]


def test_a_line_that_is_too_long_says_so():
    assert cut((("abc", ""), ("defgh", "bad")), 6) == (("abc", ""), ("de…", "bad"))
    assert cut((("abc", ""),), 6) == (("abc", ""),)
