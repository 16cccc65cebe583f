"""Widgets made of lines, of which only those are drawn anew that have changed (Textual's Line API)."""

from collections.abc import Hashable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from grid.cli.monitor.spans import Line, cut, find_style


def find_changes(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[int]:
    """Numbers of the lines that differ, those that one of both does not have among them."""
    most = max(len(before), len(after))
    return [
        at for at in range(most) if at >= len(before) or at >= len(after) or before[at] != after[at]
    ]  # fmt: skip


def find_regions(lines: Sequence[int], width: int) -> list[Region]:
    """Regions of lines, neighbours in one."""
    found: list[Region] = []
    for line in lines:
        if found and found[-1].bottom == line:
            found[-1] = Region(0, found[-1].y, width, found[-1].height + 1)
        else:
            found.append(Region(0, line, width, 1))
    return found


class LinesView(Widget):
    """Lines of text. `show` replaces them."""

    DEFAULT_CSS: ClassVar[str] = "LinesView { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self.drawn = 0  # lines that were asked to be drawn again, ever

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown."""
        return self._lines

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines from the top."""
        after = tuple(lines)
        changed = [at for at in find_changes(self._lines, after) if at < self.content_size.height]
        self._lines = after
        self.drawn += len(changed)
        if changed:
            self.refresh(*find_regions(changed, self.content_size.width))

    def render_line(self, y: int) -> Strip:
        """A line of the widget."""
        width, ground = self.content_size.width, self.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, ground)
        spans = cut(self._lines[y], width)
        segments = [Segment(text, ground + find_style(style)) for text, style in spans]
        return Strip(segments).adjust_cell_length(width, ground)
