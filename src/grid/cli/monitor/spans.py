"""Lines of text in styles, without a terminal: what the monitor's parts are made of."""

from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.style import Style

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
