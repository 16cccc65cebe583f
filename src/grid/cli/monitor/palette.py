"""Colour maps of the terminal: 32 steps of cividis and viridis, and the styles of half blocks in them.

The steps are those of `grid.utils.colour_maps`; lightness rises with the value, so that grey keeps the order.
"""

from functools import lru_cache
from typing import Final, Literal

from rich.color import Color
from rich.style import Style

from grid.utils.colour_maps import CIVIDIS, VIRIDIS

MapName = Literal["cividis", "viridis"]


STEPS: Final = 32  # colours of a map; few, so that neighbours share one and make long segments
OUTSIDE: Final = STEPS  # the code of a place without a value
MAPS: Final[dict[MapName, tuple[str, ...]]] = {"cividis": CIVIDIS, "viridis": VIRIDIS}
MAP_OF_FIELD: Final[dict[str, MapName]] = {
    "temperature": "cividis",
    "utilisation": "cividis",
    "stress": "viridis",
    "damage": "viridis",
    "state": "viridis",
}
BACKGROUND: Final = "14171a"  # of the page, where the body has no cell
DARK, LIGHT = "000000", "ffffff"  # of marks, whichever stands out
SHADES: Final = " ░▒▓█"  # where there are no colours
MIDDLE: Final = 0.179  # luminance on which black and white have one contrast, sqrt(1.05 0.05) - 0.05 (WCAG 2.2)


def find_luminance(colour: str) -> float:
    """Relative luminance of a colour such as `fde725`, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255.0 for at in (0, 2, 4))

    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)

    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)


def to_grey(colour: str) -> str:
    """The grey that is as light as a colour."""
    light = find_luminance(colour)
    level = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1.0 / 2.4) - 0.055
    return f"{round(255.0 * level):02x}" * 3


@lru_cache(maxsize=16)
def colours(name: MapName, *, is_grey: bool = False) -> tuple[str, ...]:
    """The colours of a map by code, the last for places without a value."""
    found = (*MAPS[name], BACKGROUND)
    return tuple(map(to_grey, found)) if is_grey else found


@lru_cache(maxsize=8192)
def pair_style(name: MapName, upper: int, lower: int, *, is_grey: bool = False) -> Style:
    """Style of a half block whose upper and lower halves have two codes."""
    table = colours(name, is_grey=is_grey)
    return Style(color=Color.parse(f"#{table[upper]}"), bgcolor=Color.parse(f"#{table[lower]}"))


@lru_cache(maxsize=512)
def mark_style(name: MapName, code: int, *, is_grey: bool = False) -> Style:
    """Style of a mark over a code: dark on light colours, light on dark ones."""
    ground = colours(name, is_grey=is_grey)[code]
    ink = DARK if find_luminance(ground) > MIDDLE else LIGHT
    return Style(color=Color.parse(f"#{ink}"), bgcolor=Color.parse(f"#{ground}"), bold=True)
