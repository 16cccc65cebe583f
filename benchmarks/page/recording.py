"""Recordings of pictures: frames of a live run, made once by the engine and the encoder that a service has.

    python -m benchmarks.page.recording 512 FILE

The plate is heated at eight places that take turns, so that cells change all over it. Frames follow each other in a
file, in the code and without the compression that a browser on the same machine asks for.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from grid.schemas.frames import HEADER

FOLDER: Final = Path(__file__).resolve().parents[2] / ".bench" / "page-frames"
WARM_TICKS, FRAMES = 120, 48
PLACES: Final = tuple((0.15 + 0.233 * column, 0.3 + 0.4 * row) for column in range(4) for row in range(2))
POWER = 2e4
_RAW_AT: Final = 76  # bytes of the payload, in the header


def find_recording(cells: int) -> Path:
    """The recording of a plate of that many cells along an axis; made in a process of its own where there is none."""
    path = FOLDER / f"{cells}.frames"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"Recording {FRAMES} frames of {cells} x {cells} cells ...", file=sys.stderr)
        part = path.with_suffix(".part")
        subprocess.run([sys.executable, "-m", "benchmarks.page.recording", str(cells), str(part)], check=True)
        part.rename(path)
    return path


def read_frames(path: Path) -> list[bytes]:
    """The frames of a recording."""
    data, frames, at = path.read_bytes(), [], 0
    while at < len(data):
        end = at + HEADER.size + int.from_bytes(data[at + _RAW_AT : at + _RAW_AT + 4], "little")
        frames.append(data[at:end])
        at = end
    return frames


def record(cells: int, path: Path) -> None:
    """Run the plate, and keep a frame of each tick once it is warm."""
    from benchmarks.live.tick import RADIUS, find_tick, make_scene
    from grid.engine.live.clock import plan_clock
    from grid.engine.live.events import Burst
    from grid.engine.live.session import Session
    from grid.runtime.live.frames import FrameEncoder, Stamp

    scene, tick = make_scene(cells, with_structure=False), find_tick(cells)
    session = Session(scene, plan_clock(scene, tick))
    for place, position in enumerate(PLACES):
        turn = (WARM_TICKS + FRAMES) / len(PLACES) * tick
        session.apply(Burst(position, RADIUS, 4 * turn, power=POWER), at_s=place * turn / 2)
    session.advance(WARM_TICKS)
    encoder = FrameEncoder("temperature")
    with path.open("wb") as file:
        for _ in range(FRAMES):
            session.advance()
            stamp = Stamp(session.tick, session.time)
            file.write(encoder.quantise(session.field("temperature"), stamp).pack("none"))


if __name__ == "__main__":
    record(int(sys.argv[1]), Path(sys.argv[2]))
