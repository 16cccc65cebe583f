"""Colour maps as tables of 256 colours, without a plotting library."""

from functools import cache
from typing import Final


def _read(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# 32 colours of each map, every 8th of 256: lightness rises with the value, so that grey keeps the order.
# Viridis of Matplotlib (S. van der Walt, N. Smith, E. Firing; CC0).
VIRIDIS: Final = _read(
    "440154 470d60 48186a 482374 472e7c 453882 424186 3e4a89 3a548c 365d8d 32658e 2e6d8e 2b758e 287d8e 25848e 228c8d "
    "1f948c 1e9c89 20a386 25ab82 2eb37c 3aba76 48c16e 58c765 6ccd5a 7fd34e 93d741 a8db34 c0df25 d5e21a eae51a fde725"
)
# Cividis, for readers who see few colours: J. R. Nunez, C. R. Anderton, R. S. Renslow, PLOS ONE 13 (2018) e0199239.
CIVIDIS: Final = _read(
    "00224e 00285b 002e6a 053371 1c396f 293f6e 33446d 3c4a6c 45506c 4d556c 555b6d 5c616e 646770 6b6d72 727274 787877 "
    "807f78 888578 908b78 979177 a09875 a89e73 b0a571 b9ab6d c2b369 cbb965 d3c05f dcc859 e6d051 efd748 f8df3c fee838"
)


@cache
def viridis() -> tuple[tuple[int, int, int], ...]:
    """256 colours from dark violet to yellow, linear between the stored ones."""
    stops = [(int(word[:2], 16), int(word[2:4], 16), int(word[4:], 16)) for word in VIRIDIS]
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
