"""The field in half blocks: only lines whose characters changed are drawn, neighbours of one look are one segment."""

from typing import ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from grid.cli.monitor.lines import find_regions
from grid.cli.monitor.palette import MAP_OF_FIELD, OUTSIDE, SHADES, STEPS, MapName, mark_style, pair_style
from grid.cli.monitor.picture import MARKS, NO_MARK, Key, Keys, Picture, find_runs

PLAIN = Style()
SPACE = " "


class FieldView(Widget):
    """A picture of the field. `show` replaces it."""

    DEFAULT_CSS: ClassVar[str] = "FieldView { width: 1fr; height: 1fr; }"

    class Resized(Message):
        """The place of the picture has another size."""

    def __init__(self, *, id: str | None = None, has_colours: bool = True) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.has_colours = has_colours
        self.keys: Keys = np.zeros((0, 0), np.int32)
        self.map: MapName = "cividis"
        self.is_grey = False
        self.drawn = 0  # lines that were asked to be drawn again, ever

    def show(self, picture: Picture, *, is_grey: bool = False) -> int:
        """Show a picture, in grey where it is not live; return how many lines changed."""
        name = MAP_OF_FIELD.get(picture.field, "viridis")
        return self._replace(picture.keys, name, is_grey=is_grey)

    def turn_grey(self, *, is_grey: bool) -> int:
        """Show the same picture in grey, or in colours again; return how many lines changed."""
        return self._replace(self.keys, self.map, is_grey=is_grey)

    def _replace(self, keys: Keys, name: MapName, *, is_grey: bool) -> int:
        is_other = keys.shape != self.keys.shape or (name, is_grey) != (self.map, self.is_grey)
        changed = range(keys.shape[0]) if is_other else np.flatnonzero((keys != self.keys).any(axis=1)).tolist()
        is_resized = keys.shape != self.keys.shape
        self.keys, self.map, self.is_grey = keys, name, is_grey
        self.drawn += len(changed)
        if is_resized:
            self.refresh()
        elif changed:
            self.refresh(*find_regions(list(changed), self.content_size.width))
        return len(changed)

    def render_line(self, y: int) -> Strip:
        """A line of half blocks."""
        width = self.content_size.width
        if y >= self.keys.shape[0]:
            return Strip.blank(width, self.rich_style)
        segments = [self._segment(key, length) for key, length in find_runs(self.keys[y])]
        return Strip(segments, self.keys.shape[1]).adjust_cell_length(width, self.rich_style)

    def _segment(self, number: int, length: int) -> Segment:
        mark, upper, lower = Key.of(number)
        if not self.has_colours:
            return Segment(MARKS[mark] * length if mark != NO_MARK else find_shade(upper, lower) * length, PLAIN)
        if mark != NO_MARK:
            ground = lower if upper == OUTSIDE else upper
            return Segment(MARKS[mark] * length, mark_style(self.map, ground, is_grey=self.is_grey))
        sign = SPACE if upper == lower else MARKS[NO_MARK]
        return Segment(sign * length, pair_style(self.map, upper, lower, is_grey=self.is_grey))

    def on_resize(self, _event: Resize) -> None:
        """Tell that a picture of another size is needed."""
        self.post_message(self.Resized())


def find_shade(upper: int, lower: int) -> str:
    """The shade of a character whose halves have two codes, where there are no colours."""
    known = [code for code in (upper, lower) if code != OUTSIDE]
    if not known:
        return SPACE
    return SHADES[min(len(SHADES) - 1, sum(known) * len(SHADES) // (len(known) * STEPS))]
