"""A process in the place of a live run's child: shows recorded frames to the servers that look, at a steady rate.

    python -m benchmarks.page.replay SOCKET RUN EPOCH RECORDING RATE TIMES

The frame bus is that of a live run, and so is all behind it; there is no physics. Each frame is stamped with the time
at which it is shown, which is kept in the file TIMES: a line of tick and Unix time [ms] each.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from numpy.typing import NDArray

from benchmarks.page.recording import read_frames
from grid.runtime.live.frame_cache import CachedFrame, FrameCache
from grid.runtime.live.messages import Sample
from grid.runtime.live.publisher import FramePublisher, Picture
from grid.schemas.frame_requests import FrameRequest, LiveField
from grid.schemas.frames import decode_frame

RECORDED: Final = FrameRequest("temperature", 0, None, 12, "none")
SAMPLES_HZ = 10.0  # as of a live run
TICK_S = 1 / 30  # simulated time between two frames [s]


class RecordedField(Mapping[LiveField, NDArray[Any]]):
    """The fields of one recorded frame, decoded only where they are asked for by name."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame

    def __getitem__(self, name: LiveField) -> NDArray[Any]:
        if name != RECORDED.field:
            raise KeyError(name)
        return decode_frame(self.frame).values

    def __iter__(self) -> Iterator[LiveField]:
        yield RECORDED.field

    def __len__(self) -> int:
        return 1

    def __contains__(self, name: object) -> bool:
        return name == RECORDED.field


class RecordedFrames(FrameCache):
    """Hands out recorded frames under the stamps of their pictures; what was not recorded is encoded from them."""

    def encode(self, request: FrameRequest, picture: Picture, now: float) -> CachedFrame:
        """The frame of a picture."""
        if request != RECORDED or not isinstance(picture.fields, RecordedField):
            return super().encode(request, picture, now)
        frame = bytearray(picture.fields.frame)
        self.made += 1
        frame[24:32] = picture.tick.to_bytes(8, "little")
        frame[56:60] = self.made.to_bytes(4, "little")
        frame[60:64] = self.epoch.to_bytes(4, "little")
        frame[64:72] = picture.computed_ms.to_bytes(8, "little")
        frame[88:96] = self.run
        return CachedFrame(bytes(frame), picture.tick)


@dataclass(frozen=True)
class Extremes:
    """What samples tell of a recorded frame [K]."""

    lowest: float
    mean: float
    highest: float


def make_sample(tick: int, since: int, seen: Extremes) -> Sample:
    """A sample over the ticks since the last."""
    values = {name: (value, value, value, value) for name, value in vars(seen).items()}
    return Sample(since, tick, tick * TICK_S, values)


def replay(publisher: FramePublisher, frames: list[bytes], rate: float, stop: threading.Event, times: Path) -> None:
    """Show frames forwards and backwards until told to stop."""
    values = (decode_frame(frame).values for frame in frames)
    seen = [Extremes(float(one.min()), float(one.mean()), float(one.max())) for one in values]
    fields = [RecordedField(frame) for frame in frames]
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    sampled, started, tick = 0, time.monotonic(), 0
    with times.open("w", encoding="ascii", buffering=1) as log:
        while not stop.wait(max(0.0, started + tick / rate - time.monotonic())):
            place, now_ms = order[tick % len(order)], int(time.time() * 1000)
            publisher.offer(Picture(tick, tick * TICK_S, 0, now_ms, fields[place]))
            log.write(f"{tick} {now_ms}\n")
            tick += 1
            if tick - sampled >= rate / SAMPLES_HZ:
                publisher.offer_sample(make_sample(tick, sampled, seen[place]))
                sampled = tick


def main() -> None:
    socket, run, epoch, recording, rate, times = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    publisher = FramePublisher(Path(socket), UUID(run), int(epoch))
    publisher.cache = RecordedFrames(UUID(run).bytes[:8], int(epoch))
    frames = read_frames(Path(recording))
    publisher.start()
    print(json.dumps({"frames": len(frames)}), flush=True)
    replay(publisher, frames, float(rate), stop, Path(times))
    publisher.close()


if __name__ == "__main__":
    main()
