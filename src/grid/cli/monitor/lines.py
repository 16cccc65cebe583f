"""Widgets made of lines, of which only those are drawn anew that have changed (Textual's Line API)."""

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Span = tuple[str, str]  # a text and the name of its style
Line = tuple[Span, ...]

STYLES: dict[str, str] = {
    "": "#e4e7ea",
    "dim": "#98a1aa",
    "strong": "bold #e4e7ea",
    "accent": "#86b9f0",
    "good": "#7cc7a2",
    "critical": "bold #14171a on #ff7a6e",
    "high": "bold #ffa657",
    "medium": "#f2cc3d",
    "low": "#9dbbdd",
    "stale": "italic #d9a7e6",
    "bad": "bold #ff7a6e",
}


@lru_cache(maxsize=256)
def find_style(name: str) -> Style:
    """The style of a name, or of a definition such as `#ff0000 on #000000`."""
    return Style.parse(STYLES.get(name, name))


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


def cut(line: Line, width: int) -> Line:
    """A line of at most so many columns; three dots where something is left out."""
    if sum(cell_len(text) for text, _ in line) <= width:
        return line
    kept: list[Span] = []
    left = width - 1
    for text, style in line:
        shown = set_cell_size(text, min(left, cell_len(text)))
        left -= cell_len(shown)
        kept.append((shown if left > 0 else shown + "…", style))
        if left <= 0:
            break
    return tuple(kept)


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
