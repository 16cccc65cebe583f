"""The replay of recorded frames, and what is read from a browser that shows them."""

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from benchmarks.page.figures import Figure
from benchmarks.page.pictures import Size, describe
from benchmarks.page.recording import read_frames
from benchmarks.page.replay import RECORDED, RecordedField, RecordedFrames
from benchmarks.page.soak import find_slope
from benchmarks.page.tracing import find_longest, read_tasks

from grid.runtime.live.frame_cache import Picture
from grid.runtime.live.frames import FrameEncoder, Stamp
from grid.schemas.frames import decode_frame

RUN = UUID("01980000-1111-7000-8000-00000000abcd")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two frames of a small field."""
    encoder, path = FrameEncoder("temperature"), tmp_path / "plate.frames"
    fields = [np.linspace(290.0, 400.0 + shift, 12).reshape(3, 4) for shift in (0.0, 3.0)]
    path.write_bytes(b"".join(encoder.quantise(field, Stamp(7, 0.5)).pack("none") for field in fields))
    return path


def test_a_recorded_frame_comes_under_the_stamp_of_its_picture(recording: Path) -> None:
    frames = read_frames(recording)
    cache = RecordedFrames(RUN.bytes[:8], 3)
    shown = [
        cache.encode(RECORDED, Picture(tick, tick / 30, 0, 1_000_000 + tick, RecordedField(frames[tick % 2])), 0.0)
        for tick in (5, 6)
    ]

    decoded = [decode_frame(frame.data) for frame in shown]
    assert [one.header.tick for one in decoded] == [5, 6]
    assert [one.header.frame for one in decoded] == [1, 2]
    assert [one.header.computed_ms for one in decoded] == [1_000_005, 1_000_006]
    assert {(one.header.epoch, one.header.run) for one in decoded} == {(3, RUN.bytes[:8])}
    assert np.array_equal(decoded[0].values, decode_frame(frames[1]).values)
    assert shown[0].content != shown[1].content


def test_what_was_not_recorded_is_encoded_from_it(recording: Path) -> None:
    frames = read_frames(recording)
    cache = RecordedFrames(RUN.bytes[:8], 3)
    coarse = cache.encode(RECORDED.at_level(1), Picture(4, 0.0, 0, 1, RecordedField(frames[0])), 0.0)

    decoded = decode_frame(coarse.data)
    assert decoded.values.shape == (2, 2)
    assert decoded.values[0, 0] == pytest.approx(
        decode_frame(frames[0]).values[:2, :2].mean(), abs=decoded.header.error
    )


def test_gaps_and_ages_are_those_of_pictures_that_differ() -> None:
    drawn = [[1, 0, 1_010], [1, 0, 1_020], [2, 0, 1_050], [4, 0, 1_110]]
    spent = dict.fromkeys(("main thread", "page", "graphics", "browser", "server", "replay"), 1.0)

    figures = describe("x", drawn, {1: 990, 2: 1_000, 3: 1_001, 4: 1_090}, spent, Size(8, 30.0), is_held=True)

    assert (figures[0].samples, figures[1].samples) == ([40.0, 60.0], [20.0, 50.0, 20.0])
    assert figures[3].samples == [pytest.approx(30.0)]
    assert figures[0].is_kept
    assert not Figure("gap", "ms", [40.0, 101.0], 100, is_worst=True).is_kept


def test_a_bar_scales_with_the_bare_page() -> None:
    assert not Figure("view", "s", [0.8], 0.7).is_kept
    assert Figure("view", "s", [0.8], 0.7, 1.2).is_kept


def test_tasks_are_those_of_the_busiest_page() -> None:
    def name(pid: int, thread: str) -> dict[str, object]:
        return {"name": "thread_name", "ph": "M", "pid": pid, "tid": 1, "args": {"name": thread}}

    def event(pid: int, what: str, at: int, wall: int, processor: int) -> dict[str, object]:
        return {"name": what, "ph": "X", "pid": pid, "tid": 1, "ts": at, "dur": wall, "tdur": processor}

    tasks = list(
        read_tasks(
            [
                name(1, "CrRendererMain"), name(2, "CrRendererMain"), name(3, "CrGpuMain"),
                event(1, "RunTask", 0, 60_000, 9_000), event(1, "Layout", 10, 40_000, 8_000),
                event(1, "RunTask", 70_000, 20_000, 19_000), event(2, "RunTask", 0, 90_000, 1_000),
                event(3, "RunTask", 0, 99_000, 99_000),
            ]
        )
    )  # fmt: skip

    assert [task.wall_ms for task in tasks] == [60.0, 20.0]
    assert tasks[0].parts == ("Layout 40.0",)
    assert find_longest(tasks).processor_ms == 19.0
    assert find_longest([]).processor_ms == 0.0


def test_the_slope_of_a_line_is_found() -> None:
    assert find_slope([(0.0, 5.0), (10.0, 6.0), (20.0, 7.0)]) == pytest.approx(0.1)
