"""What the readers of a benchmark take from a connection, and as little of it as they need: no library, no copies.

A reader that decoded what it gets would use more of a core than the server that is measured.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10  # opcodes of RFC 6455
FRAME_HEADER: Final = 96  # [B] at the begin of a picture (`grid.schemas.frames`)
_LONG, _SHORT = struct.Struct("<Q"), struct.Struct("<I")
_CODEC_AT, _LEVEL_AT, _TICK_AT, _NUMBER_AT, _COMPUTED_AT, _CRC_AT = 5, 10, 24, 56, 64, 80


class Message(NamedTuple):
    """A message of a server: its opcode, its length, and what was kept of it (all of a text, the head of a picture)."""

    opcode: int
    size: int
    kept: bytes


class SocketScanner:
    """Takes bytes of a WebSocket as they come, and yields the messages that are whole."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._opcode = self._size = self._missing = -1
        self._kept = bytearray()

    def feed(self, data: memoryview) -> Iterator[Message]:
        """Take what was read.

        Raises:
            ValueError: A message is masked or in parts, which this server sends never.
        """
        place = 0
        while place < len(data):
            if self._missing < 0:
                place = self._read_head(data, place)
            if self._missing >= 0:
                taken = min(self._missing, len(data) - place)
                self._keep(data[place : place + taken])
                place, self._missing = place + taken, self._missing - taken
                if self._missing == 0:
                    self._missing = -1
                    yield Message(self._opcode, self._size, bytes(self._kept))

    def _read_head(self, data: memoryview, place: int) -> int:
        """Read on at the head of a message; return the place behind what was read."""
        while place < len(data):
            self._head.append(data[place])
            place += 1
            length = self._head[1] if len(self._head) > 1 else 0
            if length & 0x80 or not self._head[0] & 0x80 or self._head[0] & 0x0F == 0:
                raise ValueError("a message of the server is masked or in parts")
            if len(self._head) == 2 + {126: 2, 127: 8}.get(length, 0) and len(self._head) > 1:
                self._size = length if length < 126 else int.from_bytes(self._head[2:], "big")
                self._opcode, self._missing, self._kept = self._head[0] & 0x0F, self._size, bytearray()
                self._head.clear()
                break
        return place

    def _keep(self, part: memoryview) -> None:
        if self._opcode == BINARY:
            part = part[: max(0, FRAME_HEADER - len(self._kept))]
        self._kept += part


def pack_masked(opcode: int, payload: bytes) -> bytes:
    """A message to a server of at most 125 bytes, or of 64 KiB; the mask is zero, which the standard allows."""
    if len(payload) < 126:
        return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload
    return bytes((0x80 | opcode, 0xFE)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def pack_words(**members: Any) -> bytes:
    """A message to the server."""
    return pack_masked(TEXT, json.dumps(members).encode())


class Picture(NamedTuple):
    """What the header of a picture says."""

    codec: int
    level: int
    tick: int
    number: int
    computed_ms: int
    crc: int


def read_picture(head: bytes) -> Picture:
    """Read the header of a picture."""
    tick, number, moment, crc = (
        packed.unpack_from(head, place)[0]
        for packed, place in ((_LONG, _TICK_AT), (_SHORT, _NUMBER_AT), (_LONG, _COMPUTED_AT), (_SHORT, _CRC_AT))
    )
    return Picture(head[_CODEC_AT], head[_LEVEL_AT], tick, number, moment, crc)


class Event(NamedTuple):
    """A server-sent event; its id is -1 where it has none that is a number."""

    kind: str
    id: int
    data: bytes


class EventScanner:
    """Takes the body of a chunked answer as it comes, and yields the server-sent events that are whole."""

    def __init__(self) -> None:
        self._raw, self._text = bytearray(), bytearray()
        self._missing = 0  # bytes of the chunk, with the line's end behind it

    def feed(self, data: memoryview) -> Iterator[Event]:
        """Take what was read."""
        self._raw += data
        while self._raw:
            if self._missing == 0:
                line, end, rest = self._raw.partition(b"\r\n")
                if not end:
                    break
                self._missing, self._raw = int(line.partition(b";")[0], 16) + 2, bytearray(rest)
            taken = min(self._missing, len(self._raw))
            self._text += self._raw[: max(0, min(taken, self._missing - 2))]
            del self._raw[:taken]
            self._missing -= taken
        *whole, rest = bytes(self._text).split(b"\n\n")
        self._text = bytearray(rest)
        yield from (event for block in whole if (event := _read_event(block)) is not None)


def _read_event(block: bytes) -> Event | None:
    """An event; None for a comment, or for a block that says when to come back."""
    members = dict(_split(line) for line in block.split(b"\n"))
    if b"data" not in members:
        return None
    number = members.get(b"id", b"")
    return Event(members.get(b"event", b"message").decode(), int(number) if number.isdigit() else -1, members[b"data"])


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")
