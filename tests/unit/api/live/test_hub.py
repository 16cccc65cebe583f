"""Viewers of one run in a server: what they share, and what stays while one of them changes what it asks for."""

import asyncio
from uuid import uuid4

import pytest

from grid.api.live.hub import RunTopic
from grid.schemas.frame_requests import FrameRequest

FRAME = bytes(200)


class Bus:
    """A bus that keeps what was wanted of it."""

    def __init__(self):
        self.wanted = []

    def follow(self, _run_id, _listener):
        return self

    def want(self, frames, **_others):
        self.wanted.append(dict(frames))

    def close(self):
        pass


class Viewer:
    """A viewer that counts what it is told."""

    def __init__(self):
        self.frames = 0

    def on_frame(self):
        self.frames += 1

    def on_same(self, _tick, _computed_ms):
        pass


def make_topic(bus):
    return RunTopic(uuid4(), "1.0", bus=bus, tailer=None, read_samples=None, on_empty=lambda: None)


@pytest.fixture
def request_of_temperature():
    return FrameRequest(field="temperature", level=0, codec="none")


def test_a_viewer_that_changes_its_rate_alone_still_has_the_newest_frame(request_of_temperature):
    """A run that rests sends no other: its owner tells that the picture is the same as long as it is wanted."""

    async def change_rate():
        bus, viewer = Bus(), Viewer()
        topic = make_topic(bus)
        topic.add_viewer(viewer, request_of_temperature, 30.0)
        await asyncio.sleep(0)
        topic.on_frame(request_of_temperature, FRAME)
        topic.remove_viewer(viewer, request_of_temperature)
        newest = topic.add_viewer(viewer, request_of_temperature, 15.0)
        await asyncio.sleep(0)
        return bus.wanted, newest, topic.find_newest(request_of_temperature)

    wanted, newest, found = asyncio.run(change_rate())
    assert wanted == [{request_of_temperature: 30.0}, {request_of_temperature: 15.0}]
    assert newest is not None
    assert found is newest


def test_what_nobody_looks_at_is_wanted_no_more_and_its_frame_is_given_up(request_of_temperature):
    async def leave():
        bus, viewer = Bus(), Viewer()
        topic = make_topic(bus)
        topic.add_viewer(viewer, request_of_temperature, 30.0)
        topic.on_frame(request_of_temperature, FRAME)
        topic.remove_viewer(viewer, request_of_temperature)
        await asyncio.sleep(0)
        return bus.wanted, topic.find_newest(request_of_temperature)

    assert asyncio.run(leave()) == ([{}], None)
