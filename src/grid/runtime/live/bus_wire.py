"""Messages between the child of a live run and the servers that show it, on a Unix stream socket.

A server writes lines of JSON, each the whole of what it wants from now on. The child writes messages with a header of
8 bytes, little-endian: length of the body, kind, one byte of zero, number of the want that it answers. Loading this
loads no numerics.
"""

import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from grid.core.errors import FieldError, InputError
from grid.schemas.frame_requests import FrameRequest, read_rate

HEADER: Final = struct.Struct("<IBBH")
MOMENT: Final = struct.Struct("<QQ")  # tick, Unix time [ms] of a picture that shows the same as the one before
VERSION: Final = 1
MOST_WANTS: Final = 64  # of a connection
MOST_LINE: Final = 64 * 1024  # [B] of a server's line
MOST_BODY: Final = 9 << 20  # [B] of a message: a frame of 8 MiB with its header fits


class Kind(IntEnum):
    """Kinds of messages from a child."""

    HELLO = 1  # JSON: run, epoch, version
    FRAME = 2  # bytes of a frame
    SAME = 3  # `MOMENT`: the codes are still those of the frame before
    SAMPLE = 4  # JSON of a sample
    EVENTS = 5  # JSON: number of events since the last such message, and the tick of the last
    REFUSED = 6  # text: a want that gets no frames, and why
    END = 7  # JSON: is_final


class Want(NamedTuple):
    """Frames that a server wants, under a number of its own."""

    number: int
    request: FrameRequest
    max_hz: float


@dataclass(frozen=True)
class Wants:
    """Everything that a server wants of a run."""

    frames: tuple[Want, ...] = ()
    samples: bool = False
    events: bool = False

    def pack(self) -> bytes:
        """The line of JSON."""
        frames = [{"number": want.number, "max_hz": want.max_hz, **want.request.to_json()} for want in self.frames]
        document = {"frames": frames, "samples": self.samples, "events": self.events}
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def unpack(cls, line: bytes) -> "Wants":
        """Read a line.

        Raises:
            InputError: It is not what a server says.
        """
        try:
            document = json.loads(line)
            frames = tuple(_read_want(one) for one in document["frames"])
            wants = cls(frames, document["samples"] is True, document["events"] is True)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError("A line of a server is not a list of wants.") from error
        if len(frames) > MOST_WANTS or len({want.number for want in frames}) < len(frames):
            raise FieldError("frames", f"at most {MOST_WANTS}, each with a number of its own")
        return wants


class Message(NamedTuple):
    """One message of a child."""

    kind: int
    number: int
    body: bytes

    @property
    def document(self) -> Mapping[str, Any]:
        """The body as JSON.

        Raises:
            InputError: It is no JSON object.
        """
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise InputError("The message of a child is not JSON.") from error
        if not isinstance(document, dict):
            raise InputError("The message of a child is no JSON object.")
        return document


class MessageReader:
    """Takes bytes as they come, and yields the messages that are whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Add bytes and yield what they complete.

        Raises:
            InputError: A message is longer than any.
        """
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= HEADER.size:
                size, kind, _, number = HEADER.unpack_from(self._buffer, start)
                if size > MOST_BODY:
                    raise InputError(f"A message of {size} bytes is longer than {MOST_BODY}.")
                end = start + HEADER.size + size
                if len(self._buffer) < end:
                    break
                yield Message(kind, number, bytes(memoryview(self._buffer)[start + HEADER.size : end]))
                start = end
        finally:
            del self._buffer[:start]


def pack_message(kind: Kind, body: bytes, number: int = 0) -> bytes:
    """A message as bytes."""
    return HEADER.pack(len(body), kind, 0, number) + body


def pack_json(kind: Kind, document: Mapping[str, Any]) -> bytes:
    """A message whose body is JSON."""
    return pack_message(kind, json.dumps(document, separators=(",", ":"), allow_nan=False).encode())


def name_socket(run_id: UUID, epoch: int) -> str:
    """The name of a run's socket in the folder of sockets."""
    return f"frames-{run_id}-{epoch}.sock"


def find_socket(folder: Path, run_id: UUID) -> tuple[int, Path] | None:
    """The newest epoch of a run that has a socket, and the socket; None where there is none."""
    found = []
    for path in folder.glob(f"frames-{run_id}-*.sock"):
        epoch = path.stem.rpartition("-")[2]
        if epoch.isascii() and epoch.isdecimal():
            found.append((int(epoch), path))
    return max(found, default=None)


def listen(path: Path, backlog: int) -> socket.socket:
    """Listen on a path that may be longer than the 108 bytes of an address; its folder is made for this user alone.

    Raises:
        OSError: It cannot be done.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of a process that has ended: an epoch has one owner
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with _short(path) as address:
            listener.bind(address)
        path.chmod(0o600)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def connect(path: Path) -> socket.socket:
    """Connect to what listens on a path; it never blocks.

    Raises:
        OSError: Nothing does, or it takes no more connections now.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with _short(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """The path by a descriptor of its folder."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _read_want(document: Mapping[str, Any]) -> Want:
    number = document["number"]
    if not isinstance(number, int) or not 0 <= number < 2**16:
        raise FieldError("number", "0 to 65535")
    return Want(number, FrameRequest.from_json(document), read_rate(document))
