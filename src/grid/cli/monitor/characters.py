"""A line of a picture as styled texts: half blocks where there are colours, else shades."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.style import Style

from grid.cli.monitor.palette import OUTSIDE, SHADES, STEPS, MapName, mark_style, pair_style
from grid.cli.monitor.picture import MARKS, NO_MARK, Key, Keys, find_runs

PLAIN: Final = Style()
SPACE: Final = " "


class PictureStyle(NamedTuple):
    """Signs and colours of a picture.

    Args:
        map: Colour map.
        is_grey: Whether its colours are shown in grey.
        has_colours: Whether there are colours at all.
        shades: Without colours: signs from the lowest value to the highest.
        marks: Signs of the marks.
    """

    map: MapName
    is_grey: bool = False
    has_colours: bool = True
    shades: str = SHADES
    marks: tuple[str, ...] = MARKS


def style_line(line: Keys, look: PictureStyle) -> Iterator[tuple[str, Style]]:
    """The texts of a line of keys; neighbours of one look are one text."""
    for number, length in find_runs(line):
        sign, style = _style(Key.of(number), look)
        yield sign * length, style


def _style(key: Key, look: PictureStyle) -> tuple[str, Style]:
    mark, upper, lower = key
    if not look.has_colours:
        return look.marks[mark] if mark != NO_MARK else find_shade(upper, lower, look.shades), PLAIN
    if mark != NO_MARK:
        ground = lower if upper == OUTSIDE else upper
        return look.marks[mark], mark_style(look.map, ground, is_grey=look.is_grey)
    return SPACE if upper == lower else look.marks[NO_MARK], pair_style(look.map, upper, lower, is_grey=look.is_grey)


def find_shade(upper: int, lower: int, shades: str = SHADES) -> str:
    """The shade of a character whose halves have two codes, where there are no colours."""
    known = [code for code in (upper, lower) if code != OUTSIDE]
    if not known:
        return SPACE
    return shades[min(len(shades) - 1, sum(known) * len(shades) // (len(known) * STEPS))]
