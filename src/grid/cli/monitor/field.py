"""The field in half blocks: only lines whose characters changed are drawn, neighbours of one look are one segment."""

from typing import ClassVar

import numpy as np
from rich.segment import Segment
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from grid.cli.monitor.characters import PictureStyle, style_line
from grid.cli.monitor.lines import find_regions
from grid.cli.monitor.palette import MAP_OF_FIELD, MapName
from grid.cli.monitor.picture import Keys, Picture


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
        look = PictureStyle(self.map, self.is_grey, self.has_colours)
        segments = [Segment(text, style) for text, style in style_line(self.keys[y], look)]
        return Strip(segments, self.keys.shape[1]).adjust_cell_length(width, self.rich_style)

    def on_resize(self, _event: Resize) -> None:
        """Tell that a picture of another size is needed."""
        self.post_message(self.Resized())
