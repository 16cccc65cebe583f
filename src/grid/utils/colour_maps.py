"""Colour maps as tables of 256 colours, without a plotting library."""

from functools import cache
from typing import Final

# Viridis of Matplotlib (S. van der Walt, N. Smith, E. Firing; CC0), every 8th colour: lightness rises with the value.
_VIRIDIS: Final = (
    "440154 470d60 48186a 482374 472e7c 453882 424186 3e4a89 3a548c 365d8d 32658e 2e6d8e 2b758e 287d8e 25848e 228c8d "
    "1f948c 1e9c89 20a386 25ab82 2eb37c 3aba76 48c16e 58c765 6ccd5a 7fd34e 93d741 a8db34 c0df25 d5e21a eae51a fde725"
)


@cache
def viridis() -> tuple[tuple[int, int, int], ...]:
    """256 colours from dark violet to yellow, linear between the stored ones."""
    stops = [(int(word[:2], 16), int(word[2:4], 16), int(word[4:], 16)) for word in _VIRIDIS.split()]
    colours = []
    for index in range(256):
        place = index * (len(stops) - 1) / 255
        first = min(int(place), len(stops) - 2)
        share = place - first
        red, green, blue = (
            round((1 - share) * low + share * high) for low, high in zip(stops[first], stops[first + 1], strict=True)
        )
        colours.append((red, green, blue))
    return tuple(colours)
