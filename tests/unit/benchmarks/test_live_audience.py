"""What the benchmark of live runs makes of what its readers say."""

import json
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from benchmarks.live.audience import (
    Watched,
    find_ages,
    find_delays,
    find_encodings,
    find_moments,
    find_share,
    sum_counts,
)
from benchmarks.live.crowd import find_oldest, show_ages
from benchmarks.live.readers import Reader, find_established
from benchmarks.live.streams import SOCKETS, STALLED, STREAMS, make_orders, make_stalled


def test_a_share_of_values_is_one_of_them_and_no_less() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert [find_share(values, share) for share in (0.95, 0.99, 1.0)] == [95.0, 99.0, 100.0]
    assert (find_share([3.0], 0.5), find_share([1.0, 2.0], 0.95)) == (3.0, 2.0)
    assert math.isnan(find_share([], 0.5))


def test_ages_are_from_computation_to_arrival_and_delays_from_the_moment_of_the_tick() -> None:
    pictures = {"arrivals": [[0, 100.02, 100.01], [1, 100.16, 100.11], [2, 100.23, 100.21]]}
    samples = {"arrivals": [[1, 100.15, 0.0], [2, 100.61, 0.0], [3, 100.5, 0.0]]}
    slipped = {"arrivals": [[0, 100.0, 100.0], [2, 100.5, 100.5], [4, 101.0, 101.0]]}

    assert find_ages([pictures, samples]) == pytest.approx([0.01, 0.05, 0.02])
    assert find_delays([samples], find_moments([pictures])) == pytest.approx([0.04, 0.4])  # none of tick 3
    assert find_delays([samples], find_moments([slipped])) == pytest.approx([-0.1, 0.11, -0.25])
    assert find_oldest(pictures) == pytest.approx([0.15, 0.12])
    assert "95 % 50 ms = 0.50 ticks" in show_ages(find_ages([pictures]), 0.1)
    with pytest.raises(ValueError, match="no pictures"):
        find_moments([samples])


def test_a_picture_that_was_encoded_twice_has_two_payloads_only_where_they_differ() -> None:
    readers = [
        {"pictures": {"2/1 7 55": 3, "1/1 7 66": 1}},
        {"pictures": {"2/1 7 55": 1, "2/1 8 57": 1, "2/1 8 58": 1}},
    ]

    assert sum_counts(readers, "pictures")["2/1 7 55"] == 4
    assert find_encodings(sum_counts(readers, "pictures")) == {"1/1": (1, 1), "2/1": (2, 3)}


def test_shares_of_a_core_and_the_swing_of_memory() -> None:
    watched = Watched(10.0, {"server": 2.5}, {"server": [100, 90, 130, 100, 98, 97, 106, 108]})

    assert (watched.find_share("server"), watched.find_swing("server")) == (0.25, (-10, 30))
    assert watched.find_growth("server") == 12


def test_connections_that_the_server_has_not_closed_are_those_of_its_port() -> None:
    text = (
        "  sl  local_address rem_address   st tx_queue\n"
        "   0: 0100007F:1F90 0100007F:C001 01 00000000:00000000\n"
        "   1: 0100007F:1F90 0100007F:C002 04 00000000:00000000\n"
        "   2: 0100007F:C001 0100007F:1F90 01 00000000:00000000\n"
        "   3: 00000000:1F90 00000000:0000 0A 00000000:00000000\n"
    )

    assert find_established(0x1F90, text) == {0xC001}


def test_the_number_of_readers_is_that_of_the_definition() -> None:
    kinds = [order["kind"] for order in make_orders()]
    counts = [kinds.count(kind) for kind in ("frames", "samples", "events", "notices")]

    assert counts == [1, STREAMS // 2, STREAMS // 2, SOCKETS]
    assert [len(make_stalled()), all(order["stalled"] for order in make_stalled())] == [STALLED, True]


Connect = Callable[..., tuple[Reader, socket.socket]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes readers that are connected to another end."""
    with ExitStack() as stack:

        def make(kind: str, **order: object) -> tuple[Reader, socket.socket]:
            ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
            ours.setblocking(False)
            theirs.setblocking(False)
            reader = Reader(0, "run", {"kind": kind, "token": "", **order})
            reader.socket, reader.is_counting, reader.is_gone = ours, True, False
            return reader, theirs

        yield make


def send_events(theirs: socket.socket, kind: str, *numbered: tuple[int, dict[str, object]]) -> None:
    """Send server-sent events in one chunk."""
    text = "".join(f"event: {kind}\nid: {number}\ndata: {json.dumps(data)}\n\n" for number, data in numbered)
    theirs.send(f"{len(text):x}\r\n{text}\r\n".encode())


def test_events_that_are_missing_between_two_are_counted_and_a_gap_is_told(connect: Connect) -> None:
    reader, theirs = connect("events")
    send_events(theirs, "applied", *((number, {"tick": 10 * number}) for number in (3, 4, 7)))
    theirs.send(b"14\r\nevent: gap\ndata: 1\n\n\r\n")
    reader.read(0.0)

    assert (reader.found.messages, reader.found.lost, reader.found.notices) == (3, 2, {"gap": 1})
    assert [tick for tick, _, _ in reader.found.arrivals] == [30, 40, 70]


def test_samples_that_cover_each_others_ticks_are_whole(connect: Connect) -> None:
    reader, theirs = connect("samples")
    send_events(theirs, "sample", (15, {"first_tick": 0}), (30, {"first_tick": 15}), (60, {"first_tick": 31}))
    reader.read(0.0)

    assert (reader.found.messages, reader.found.lost) == (3, 1)


def test_a_slow_link_carries_no_more_than_it_may(connect: Connect) -> None:
    reader, theirs = connect("frames", bits_per_s=8e5)
    theirs.send(b"\x82\x7f" + (10**6).to_bytes(8, "big") + bytes(50_000))
    reader.start_link(100.0)
    found = []
    for now in (100.0, 100.01, 100.02, 200.0, 200.0):
        reader.read(now)
        found.append(reader.found.bytes)

    assert found == pytest.approx([0, 1_000, 2_000, 7_000, 7_000], abs=2)


def test_a_connection_that_the_server_has_ended_is_given_up(connect: Connect) -> None:
    reader, theirs = connect("events")
    theirs.close()
    reader.read(0.0)

    assert reader.is_gone
    assert len(reader.found.gone_s) == 1
