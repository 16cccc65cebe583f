"""What the readers of the benchmark of live runs take from their connections."""

import json

import pytest
from benchmarks.live.wire import (
    BINARY,
    FRAME_HEADER,
    TEXT,
    EventScanner,
    Message,
    SocketScanner,
    pack_masked,
    pack_words,
    read_picture,
)

from grid.schemas.frames import HEADER


def serve(opcode: int, payload: bytes) -> bytes:
    """A message as a server sends it."""
    if len(payload) < 126:
        return bytes((0x80 | opcode, len(payload))) + payload
    size = (126, 2) if len(payload) < 2**16 else (127, 8)
    return bytes((0x80 | opcode, size[0])) + len(payload).to_bytes(size[1], "big") + payload


@pytest.mark.parametrize("part", [1, 7, 1_000, 10**6])
def test_messages_are_whole_however_the_bytes_come(part: int) -> None:
    payloads = [(TEXT, b"{}"), (BINARY, bytes(range(200))), (BINARY, bytes(70_000)), (TEXT, b""), (TEXT, b"a" * 300)]
    data = b"".join(serve(*one) for one in payloads)
    scanner = SocketScanner()

    found = [
        message
        for place in range(0, len(data), part)
        for message in scanner.feed(memoryview(data)[place : place + part])
    ]

    kept = [payload[:FRAME_HEADER] if opcode == BINARY else payload for opcode, payload in payloads]
    assert found == [
        Message(opcode, len(payload), head) for (opcode, payload), head in zip(payloads, kept, strict=True)
    ]


@pytest.mark.parametrize("head", [b"\x81\x85", b"\x01\x05", b"\x80\x05"], ids=["masked", "first part", "next part"])
def test_a_message_that_is_masked_or_in_parts_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match="masked or in parts"):
        list(SocketScanner().feed(memoryview(head)))


def test_what_is_said_to_the_server_is_masked() -> None:
    short, long = pack_words(type="grant"), pack_masked(TEXT, b"x" * 300)

    assert short[:6] == bytes((0x81, 0x80 | len(short) - 6, 0, 0, 0, 0))
    assert json.loads(short[6:]) == {"type": "grant"}
    assert (long[:4], long[8:]) == (b"\x81\xfe\x01\x2c", b"x" * 300)


def test_the_head_of_a_picture_is_that_of_the_format() -> None:
    head = HEADER.pack(
        b"GRF1", 1, 2, 1, 12, 0, 1, 1, *(8, 8, 1), *(0, 0, 0), 41, 0.5, 0.0, 1.0, 7, 1, 1_700_000_000_123, 9, 9, 77,
        0.5, b"12345678",
    )  # fmt: skip

    assert tuple(read_picture(head)) == (2, 1, 41, 7, 1_700_000_000_123, 77)


@pytest.mark.parametrize("part", [1, 13, 10**6])
def test_server_sent_events_are_whole_however_chunks_fall(part: int) -> None:
    text = (
        b'retry: 1000\n\n: ping\n\nevent: sample\nid: 12\ndata: {"first_tick":3}\n\nevent: gap\ndata: behind\n\nevent:'
    )
    chunks = [text[:20], text[20:61], text[61:]]
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    scanner = EventScanner()

    found = [
        event for place in range(0, len(data), part) for event in scanner.feed(memoryview(data)[place : place + part])
    ]

    assert found == [("sample", 12, b'{"first_tick":3}'), ("gap", -1, b"behind")]
