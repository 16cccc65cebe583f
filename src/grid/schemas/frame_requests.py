"""Requests for frames of a live run: which field, how fine, where, in which code. Loading this loads no NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, cast, get_args

from grid.core.errors import FieldError

LiveField = Literal["temperature", "stress", "utilisation", "damage", "state"]
FrameCodec = Literal["none", "deflate", "zstd"]
Region = tuple[tuple[int, int], ...]

LIVE_FIELDS: Final = get_args(LiveField)
FRAME_CODECS: Final = get_args(FrameCodec)
MOST_LEVEL: Final = 2  # a quarter of the cells along each axis
MOST_HZ: Final = 30.0  # frames a second, however fast ticks are
LEAST_HZ: Final = 0.1
MOST_CELL: Final = 2**16 - 1  # along an axis
CODE_BITS: Final = (8, 12, 16)


@dataclass(frozen=True)
class FrameRequest:
    """Frames of one kind: those of equal requests are the same bytes.

    Args:
        field: Name of the field.
        level: 0 for full resolution, 1 for half, 2 for a quarter.
        region: First cell and the one behind the last, for each axis from the first on; None for the whole field.
        bits: Of a code: 8, 12 or 16; `state` has 8.
        codec: `none`, `deflate` (raw) or `zstd`.

    Raises:
        FieldError: An argument is outside its limits.
    """

    field: LiveField = "temperature"
    level: int = 0
    region: Region | None = None
    bits: int = 12
    codec: FrameCodec = "deflate"

    def __post_init__(self) -> None:
        _require_one_of("field", self.field, LIVE_FIELDS)
        _require_one_of("codec", self.codec, FRAME_CODECS)
        _require_one_of("level", self.level, range(MOST_LEVEL + 1))
        _require_one_of("bits", self.bits, CODE_BITS)
        if self.field == "state" and self.bits != CODE_BITS[0]:
            raise FieldError("bits", f"{CODE_BITS[0]} for the field state")
        if self.region is not None:
            _require_region(self.region)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a request; what is left out has its default, other members are ignored.

        Raises:
            FieldError: A member is outside its limits.
        """
        field = document.get("field", "temperature")
        region = document.get("region")
        bits = document.get("bits", CODE_BITS[0] if field == "state" else 12)
        codec, level = document.get("codec", "deflate"), document.get("level", 0)
        return cls(field, level, None if region is None else _read_region(region), bits, codec)

    def to_json(self) -> dict[str, Any]:
        """The request as JSON."""
        region = None if self.region is None else [list(ends) for ends in self.region]
        return {"field": self.field, "level": self.level, "region": region, "bits": self.bits, "codec": self.codec}

    def at_level(self, level: int) -> Self:
        """The same at another level."""
        return replace(self, level=level)


def read_rate(document: Mapping[str, Any], default: float = MOST_HZ) -> float:
    """Read `max_hz` [1/s].

    Raises:
        FieldError: It is not a number within its limits.
    """
    rate = document.get("max_hz", default)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not LEAST_HZ <= rate <= MOST_HZ:
        raise FieldError("max_hz", f"{LEAST_HZ:g} to {MOST_HZ:g} a second")
    return float(rate)


def _require_one_of(name: str, value: object, known: tuple[object, ...] | range) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in known:
        raise FieldError(name, f"one of {', '.join(str(one) for one in known)}")


def _require_region(region: Region) -> None:
    if not 1 <= len(region) <= 3 or not all(0 <= first < end <= MOST_CELL for first, end in region):
        raise FieldError("region", f"one to three pairs [first, end], 0 <= first < end <= {MOST_CELL}")


def _read_region(given: object) -> Region:
    limit = f"one to three pairs [first, end], 0 <= first < end <= {MOST_CELL}"
    if not isinstance(given, list) or not 1 <= len(given) <= 3:
        raise FieldError("region", limit)
    for ends in given:
        is_pair = isinstance(ends, list) and len(ends) == 2
        if not is_pair or not all(isinstance(end, int) and not isinstance(end, bool) for end in ends):
            raise FieldError("region", limit)
    return cast("Region", tuple((ends[0], ends[1]) for ends in given))
