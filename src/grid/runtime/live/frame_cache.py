"""Frames of the newest pictures of a run, each encoded once, however many viewers and servers ask for it."""

import math
import operator
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.runtime.live.frames import FrameEncoder, FramePasses, QuantisedFrame, Stamp
from grid.schemas.frame_requests import FrameRequest, LiveField
from grid.schemas.frames import LEVELS, MAX_RAW_BYTES

MOST_ENCODERS: Final = 64
FORGET_S: Final = 60.0  # [s] an encoder that nobody asks keeps its range and numbers


@dataclass(frozen=True)
class Picture:
    """Fields of a run at one moment; nobody changes the arrays any more.

    Args:
        tick, time_s: Of the run; simulated [s].
        flags: Bits of `grid.schemas.frames.FrameFlag`.
        computed_ms: Unix time [ms].
        fields: Arrays of one to three axes by name, NaN where there is no value.
    """

    tick: int
    time_s: float
    flags: int
    computed_ms: int
    fields: Mapping[LiveField, NDArray[Any]]


class CachedFrame(NamedTuple):
    """A frame as bytes, and the number of its contents: equal numbers mean equal codes, range and flags."""

    data: bytes
    content: int


@dataclass
class _Encoded:
    """An encoder with what it made last."""

    encoder: FrameEncoder
    asked_at: float
    picture: Picture | None = None
    frame: QuantisedFrame | None = None
    content: int = 0


@dataclass
class FrameCache:
    """Encoders of what is asked for. For one thread.

    Args:
        run: First 8 bytes of the run's id.
        epoch: Of the run's owner.
        passes: Over a field; None for the compiled ones.
    """

    run: bytes
    epoch: int
    passes: FramePasses | None = None
    made: int = 0  # frames that were quantised
    spent_s: float = 0.0  # processor time of it
    _encoders: dict[FrameRequest, _Encoded] = field(default_factory=dict)

    def encode(self, request: FrameRequest, picture: Picture, now: float) -> CachedFrame:
        """The frame of a picture; quantised once for all codecs, compressed once for each.

        Args:
            request: What of it.
            picture: It has the field.
            now: Monotonic time [s].

        Raises:
            FieldError: The region is not within the field, the frame is larger than 8 MiB (`level`), or a value is
                not finite (`values`).
        """
        started = time.thread_time()
        try:
            encoded = self._find(request, now)
            if encoded.frame is None or encoded.picture is not picture:
                self._quantise(encoded, request, picture)
            assert encoded.frame is not None  # noqa: S101 - for the type checker
            return CachedFrame(encoded.frame.pack(request.codec), encoded.content)
        finally:
            self.spent_s += time.thread_time() - started

    def forget(self, now: float) -> None:
        """Drop the encoders that nobody has asked for a minute."""
        for key in [key for key, encoded in self._encoders.items() if now - encoded.asked_at > FORGET_S]:
            del self._encoders[key]

    def _quantise(self, encoded: _Encoded, request: FrameRequest, picture: Picture) -> None:
        values = _cut(picture.fields[request.field], request)
        stamp = Stamp(picture.tick, picture.time_s, self.epoch, picture.computed_ms, self.run, picture.flags)
        frame = encoded.encoder.quantise(values, stamp)
        self.made += 1
        is_same = frame.is_repeat and encoded.picture is not None and encoded.picture.flags == picture.flags
        encoded.picture, encoded.frame, encoded.content = picture, frame, encoded.content + (not is_same)

    def _find(self, request: FrameRequest, now: float) -> _Encoded:
        key = FrameRequest(request.field, request.level, request.region, request.bits, "none")
        encoded = self._encoders.get(key)
        if encoded is None:
            if len(self._encoders) >= MOST_ENCODERS:
                del self._encoders[min(self._encoders, key=lambda one: self._encoders[one].asked_at)]
            origin = tuple(first for first, _ in request.region or ())
            encoder = FrameEncoder(request.field, request.level, bits=request.bits, origin=origin, passes=self.passes)
            encoded = self._encoders[key] = _Encoded(encoder, now)
        encoded.asked_at = now
        return encoded


def _cut(values: NDArray[Any], request: FrameRequest) -> NDArray[Any]:
    """The region of a field."""
    if request.region is not None:
        firsts = [first for first, _ in request.region]
        if len(firsts) > values.ndim or any(map(operator.ge, firsts, values.shape)):
            raise FieldError("region", f"within a field of {' x '.join(map(str, values.shape))} cells")
        values = values[tuple(slice(first, end) for first, end in request.region)]
    factor = LEVELS[request.level]
    if 2 * math.prod(-(-cells // factor) for cells in values.shape) > MAX_RAW_BYTES:
        raise FieldError("level", f"one at which a frame has at most {MAX_RAW_BYTES >> 20} MiB")
    return values
