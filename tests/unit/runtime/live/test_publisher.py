"""Publisher of a run over real sockets: one encoding for all, the newest wins, and the loop never waits."""

import threading
import time
from uuid import UUID

import numpy as np
import pytest
from tests.support.frame_reader import FrameReader, make_picture, wait_until_wanted

from grid.core.errors import InputError
from grid.runtime.bus import UnixDoorbell
from grid.runtime.live.bus_wire import (
    MOMENT,
    MOST_BODY,
    MOST_LINE,
    MOST_WANTS,
    Kind,
    MessageReader,
    Want,
    Wants,
    find_socket,
    name_socket,
    pack_message,
)
from grid.runtime.live.messages import LiveEvent, Sample
from grid.runtime.live.publisher import MOST_LINKS, FramePublisher
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.frames import FrameFlag, decode_frame

pytestmark = pytest.mark.jit
RUN, EPOCH = UUID("0198c0de-0000-7000-8000-00000000000a"), 3
WHOLE, HALF = FrameRequest(codec="none"), FrameRequest(level=1, codec="none")


@pytest.fixture
def publisher(tmp_path):
    made = FramePublisher(tmp_path / "run" / name_socket(RUN, EPOCH), RUN, EPOCH)
    made.start()
    yield made
    made.close()


@pytest.fixture
def connect(publisher):
    readers = []

    def make():
        readers.append(FrameReader(publisher.path))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


def frame_of(message):
    assert message.kind == Kind.FRAME
    return decode_frame(message.body)


def test_nothing_is_wanted_or_encoded_before_somebody_looks(publisher):
    publisher.offer(make_picture(1))

    assert publisher.wanted(time.monotonic()) == ()
    assert not publisher.is_watched
    assert publisher.cache.made == 0


def test_a_server_gets_the_field_that_it_wants(publisher, connect):
    reader = connect()
    assert reader.hello == {"run": str(RUN), "epoch": EPOCH, "version": 1}
    reader.want(HALF)
    wait_until_wanted(publisher, "temperature")
    publisher.offer(make_picture(7, flags=FrameFlag.PAUSED))

    frame = frame_of(reader.next())
    assert frame.codes.shape == (8, 8)
    assert frame.values == pytest.approx(307.0, abs=1e-5)
    header = frame.header
    assert (header.tick, header.epoch, header.run, header.flags, header.computed_ms) == (
        7, EPOCH, RUN.bytes[:8], FrameFlag.PAUSED, 1_007,
    )  # fmt: skip


def test_every_field_level_and_codec_is_encoded_once_for_all(publisher, connect):
    readers = [connect() for _ in range(5)]
    deflated = FrameRequest(codec="deflate")
    for reader in readers:
        reader.want(WHOLE, deflated, HALF)
    for _ in range(5):
        wait_until_wanted(publisher, "temperature")
    publisher.offer(make_picture(1, temperature=np.random.default_rng(1).random((16, 16))))

    for reader in readers:
        bodies = {message.number: message.body for message in (reader.next(Kind.FRAME) for _ in range(3))}
        assert set(bodies) == {0, 1, 2}
        assert np.array_equal(decode_frame(bodies[0]).codes, decode_frame(bodies[1]).codes)
    assert publisher.cache.made == 2


def test_codes_that_are_those_of_the_frame_before_are_not_sent_again(publisher, connect):
    reader, late = connect(), connect()
    reader.want(WHOLE)
    values = np.random.default_rng(1).random((16, 16))
    publisher_sees(publisher, make_picture(1, temperature=values))
    frame_of(reader.next())
    publisher_sees(publisher, make_picture(2, temperature=values.copy()))
    same = reader.next()
    assert (same.kind, MOMENT.unpack(same.body)) == (Kind.SAME, (2, 1_002))

    late.want(WHOLE)
    assert frame_of(late.next()).header.tick == 2  # who comes later begins with the newest
    publisher_sees(publisher, make_picture(3, temperature=values, flags=FrameFlag.PAUSED))
    assert frame_of(reader.next()).header.flags == FrameFlag.PAUSED


def publisher_sees(publisher, picture):
    wait_until_wanted(publisher, *picture.fields)
    publisher.offer(picture)


def test_a_server_that_reads_nothing_delays_nobody_and_gets_the_newest_afterwards(publisher, connect):
    stalled, healthy = connect(), connect()
    for reader in (stalled, healthy):
        reader.want(WHOLE)
    source = np.random.default_rng(1)
    for tick in range(1, 13):
        publisher_sees(publisher, make_picture(tick, temperature=source.random((256, 256))))
        assert frame_of(healthy.next()).header.tick == tick

    ticks = []
    while not ticks or ticks[-1] < 12:
        ticks.append(frame_of(stalled.next()).header.tick)
    assert len(ticks) < 10  # what its socket held, and the newest
    assert ticks == sorted(set(ticks))


def test_rates_are_those_of_the_wants_and_thirty_at_most(publisher, connect):
    reader = connect()
    reader.want(WHOLE, max_hz=2.0)
    wait_until_wanted(publisher, "temperature")
    now = time.monotonic()
    shown = sum(bool(publisher.wanted(now + step / 100)) for step in range(1000))
    assert 19 <= shown <= 21

    reader.want(WHOLE, HALF, max_hz=30.0)
    while not publisher.wanted(now := now + 10.0):
        pass
    time.sleep(0)
    deadline = time.monotonic() + 10
    while max(clock.interval for clock in publisher._clocks.values()) > 0.4 and time.monotonic() < deadline:
        time.sleep(0.001)
    shown = sum(bool(publisher.wanted(now + 20.0 + step / 1000)) for step in range(10_000))
    assert 299 <= shown <= 302


def test_a_paused_run_is_asked_once_a_tick_until_somebody_else_wants_it(publisher, connect):
    reader = connect()
    reader.want(WHOLE)
    publisher_sees(publisher, make_picture(5))
    frame_of(reader.next())
    assert publisher.wanted(time.monotonic() + 1.0, 5) == ()
    assert publisher.wanted(time.monotonic() + 1.0, 6) == ("temperature",)

    reader.want()
    while publisher._clocks:
        time.sleep(0.001)
    reader.want(WHOLE)
    while not publisher.wanted(time.monotonic(), 5):
        time.sleep(0.001)


def test_samples_and_news_of_events_go_to_those_who_want_them(publisher, connect):
    reader, other = connect(), connect()
    reader.want(samples=True, events=True)
    other.want(WHOLE)
    wait_until_wanted(publisher, "temperature")
    while not any(link.wants.samples for link in publisher._links.values()):
        time.sleep(0.001)
    publisher.offer_sample(Sample(1, 3, 0.1, {"mean": (1.0, 2.0, 1.5, 2.0), "share": None}, {"ratio": float("inf")}))
    sample = reader.next().document
    assert sample["values"] == {"mean": [1.0, 2.0, 1.5, 2.0], "share": None}
    assert (sample["last"], sample["pace"]) == (3, {"ratio": None})
    publisher.offer_events(LiveEvent(4, 256, 0.1, "yield", "a", {}))
    assert reader.next().document == {"tick": 4, "kind": "yield"}

    publisher.offer(make_picture(1))
    assert other.next().kind == Kind.FRAME


def test_a_field_that_the_run_does_not_have_is_refused_and_not_asked_for_again(publisher, connect):
    reader = connect()
    reader.want(WHOLE, FrameRequest("stress"))
    wait_until_wanted(publisher, "temperature")
    while publisher.wanted(time.monotonic() + 1) != ("temperature", "stress"):
        time.sleep(0.001)
    publisher.offer(make_picture(1))

    messages = {message.number: message for message in (reader.next(), reader.next())}
    assert messages[0].kind == Kind.FRAME
    assert (messages[1].kind, messages[1].body) == (Kind.REFUSED, b"field: this run does not have it")
    assert "stress" not in publisher.wanted(time.monotonic() + 2)


@pytest.mark.parametrize(
    ("request_", "field", "reason"),
    [
        (FrameRequest(region=((16, 20),)), np.zeros((16, 16)), b"region: within a field of 16 x 16 cells"),
        (FrameRequest(region=((0, 1),) * 3), np.zeros((16, 16)), b"region: within a field of 16 x 16 cells"),
        (FrameRequest(codec="none"), np.broadcast_to(np.zeros(1), (3000, 3000)), b"level: one at which"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(publisher, connect, request_, field, reason):
    reader = connect()
    reader.want(request_)
    publisher_sees(publisher, make_picture(1, temperature=field))
    message = reader.next()

    assert message.kind == Kind.REFUSED
    assert message.body.startswith(reason)


def test_a_region_is_cut_from_the_field(publisher, connect):
    reader = connect()
    reader.want(FrameRequest(region=((4, 8), (10, 99)), codec="none"))
    publisher_sees(publisher, make_picture(1, temperature=np.arange(256.0).reshape(16, 16)))
    frame = frame_of(reader.next())

    assert frame.header.origin == (4, 10, 0)
    assert frame.values == pytest.approx(np.arange(256.0).reshape(16, 16)[4:8, 10:], abs=0.05)


def test_a_picture_that_is_not_finite_is_left_out(publisher, connect):
    reader = connect()
    reader.want(WHOLE)
    publisher_sees(publisher, make_picture(1, temperature=np.full((4, 4), np.inf)))
    publisher_sees(publisher, make_picture(2, temperature=np.zeros((4, 4))))

    assert frame_of(reader.next()).header.tick == 2


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"[]\n",
        b'{"frames": [{"number": -1}], "samples": false, "events": false}\n',
        b'{"frames": [{"number": 1, "field": "pressure"}], "samples": false, "events": false}\n',
        b"x" * (MOST_LINE + 1),
    ],
)
def test_who_does_not_speak_the_language_is_let_go_and_nobody_else(publisher, connect, line):
    reader, other = connect(), connect()
    reader.socket.sendall(line)
    with pytest.raises((EOFError, ConnectionError)):
        reader.next()

    other.want(WHOLE)
    publisher_sees(publisher, make_picture(1))
    assert other.next().kind == Kind.FRAME


def test_wants_are_bounded_and_numbered_apart():
    for frames in ([Want(n, WHOLE, 1.0) for n in range(MOST_WANTS + 1)], [Want(1, WHOLE, 1.0), Want(1, HALF, 1.0)]):
        with pytest.raises(InputError):
            Wants.unpack(Wants(tuple(frames)).pack())


def test_servers_beyond_the_limit_are_turned_away(publisher, connect):
    for _ in range(MOST_LINKS):
        connect()
    with pytest.raises((EOFError, ConnectionError)):
        connect()


def test_a_reader_of_messages_takes_them_in_any_pieces():
    stream = b"".join(pack_message(Kind.FRAME, bytes(size), number=size) for size in (0, 1, 1000))
    for step in (1, 7, len(stream)):
        reader = MessageReader()
        pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
        got = [message for piece in pieces for message in reader.feed(piece)]
        assert [(message.number, len(message.body)) for message in got] == [(0, 0), (1, 1), (1000, 1000)]
    with pytest.raises(InputError):
        list(MessageReader().feed((MOST_BODY + 1).to_bytes(4, "little") + bytes(4)))


@pytest.mark.parametrize("is_final", [True, False])
def test_the_end_is_told_and_the_socket_removed(publisher, connect, is_final):
    reader = connect()
    publisher.close(is_final=is_final)

    assert reader.next(Kind.END).document == {"is_final": is_final}
    assert not publisher.path.exists()
    assert publisher.wanted(time.monotonic()) == ()
    publisher.offer(make_picture(1))
    publisher.close()


def test_the_socket_is_private_found_by_its_run_and_rung_by_no_bell(publisher):
    assert publisher.path.stat().st_mode & 0o777 == 0o600
    assert publisher.path.parent.stat().st_mode & 0o777 == 0o700
    (publisher.path.parent / f"frames-{RUN}-x.sock").touch()
    (publisher.path.parent / name_socket(RUN, EPOCH - 1)).touch()
    assert find_socket(publisher.path.parent, RUN) == (EPOCH, publisher.path)
    UnixDoorbell(publisher.path.parent).ring("live")
    assert publisher.path.exists()


def test_a_long_path_and_a_socket_that_was_left_behind_are_no_obstacle(tmp_path):
    folder = tmp_path / ("long" * 20) / ("path" * 20)
    publisher = FramePublisher(folder / name_socket(RUN, EPOCH), RUN, EPOCH)
    folder.mkdir(parents=True)
    publisher.path.touch()
    publisher.start()
    try:
        assert publisher.path.is_socket()
    finally:
        publisher.close()


def test_offers_return_at_once_while_a_picture_is_encoded(publisher, connect, monkeypatch):
    is_encoding, go_on = threading.Event(), threading.Event()
    encode = type(publisher.cache).encode

    def encode_slowly(*given):
        is_encoding.set()
        assert go_on.wait(10)
        return encode(*given)

    monkeypatch.setattr(type(publisher.cache), "encode", encode_slowly)
    reader = connect()
    reader.want(WHOLE)
    publisher_sees(publisher, make_picture(1))
    assert is_encoding.wait(10)
    for tick in range(2, 1000):  # none of these may wait for the thread
        publisher.wanted(tick * 1.0, tick)
        publisher.offer(make_picture(tick, cells=1))
        publisher.offer_sample(Sample(tick, tick, 0.0, {}))
    go_on.set()

    assert frame_of(reader.next()).header.tick == 1
    assert frame_of(reader.next()).header.tick == 999


def test_a_socket_that_was_removed_lets_nobody_look_and_is_told(publisher):
    now = time.monotonic()
    assert publisher.load_figures(now) == {"encode_share": 0.0, "frames_stopped": 0.0, "has_frames": 1.0}
    publisher.path.unlink()
    assert publisher.load_figures(now + 0.5)["has_frames"] == 1.0  # it looks once a second
    assert publisher.load_figures(now + 1.5)["has_frames"] == 0.0


def test_pictures_that_are_stopped_are_not_asked_for(publisher, connect):
    connect().want(WHOLE)
    wait_until_wanted(publisher, "temperature")
    publisher.load.is_stopped = True
    assert publisher.wanted(time.monotonic() + 1.0) == ()
    assert publisher.load_figures(time.monotonic())["frames_stopped"] == 1.0
    publisher.load.is_stopped = False
    assert publisher.wanted(time.monotonic() + 2.0) == ("temperature",)
