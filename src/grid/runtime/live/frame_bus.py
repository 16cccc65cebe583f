"""Frame bus of one machine: a server connects to the sockets on which the children of live runs publish.

For one event loop. A run is looked for by its sockets, the newest epoch first; where the connection ends, or a newer
epoch is there, the next one is taken and asked for the same.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from grid.core.errors import InputError
from grid.core.logging import get_logger
from grid.runtime.live.bus_wire import (
    HEADER,
    MOST_BODY,
    Kind,
    Message,
    connect,
    find_socket,
)
from grid.runtime.live.feed_messages import Listener, NumberedWants
from grid.schemas.frame_requests import FrameRequest

FIRST_PAUSE_S: Final = 0.05  # [s] before the socket of a run is looked for again; doubled up to the next
LONGEST_PAUSE_S: Final = 1.0
LOOK_S: Final = 2.0  # [s] between two looks for a newer epoch while nothing comes
READ_BYTES: Final = 256 * 1024  # that wait in memory before the other side has to

log = get_logger(__name__)


class UnixFrameBus:
    """Finds the sockets of runs in a folder.

    Args:
        run_folder: Where children listen.
    """

    def __init__(self, run_folder: Path) -> None:
        self.run_folder = run_folder

    def follow(self, run_id: UUID, listener: Listener) -> "UnixRunFeed":
        """Follow a run; on the event loop."""
        return UnixRunFeed(self.run_folder, run_id, listener)


class UnixRunFeed:
    """A run that is followed, from one epoch to the next."""

    def __init__(self, run_folder: Path, run_id: UUID, listener: Listener) -> None:
        self._folder, self._run_id, self._listener = run_folder, run_id, listener
        self._wanted = NumberedWants()
        self._epoch, self._is_final = -1, False
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.get_running_loop().create_task(self._follow(), name=f"frame-bus-{run_id}")

    def want(self, frames: Mapping[FrameRequest, float], *, samples: bool = False, events: bool = False) -> None:
        """Ask for frames, samples and news of events; the first 64 kinds of frames are asked for."""
        self._wanted.change(frames, samples=samples, events=events)
        if self._writer is not None:
            self._writer.write(self._wanted.wants.pack())

    def close(self) -> None:
        """Follow the run no longer."""
        self._task.cancel()

    async def _follow(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            reader = await self._connect()
            if reader is None:
                await asyncio.sleep(pause_s)
                pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)
                continue
            pause_s, is_known = FIRST_PAUSE_S, False
            try:
                is_known = await self._read_hello(reader)
                while is_known:
                    await self._read_on(reader)
            except (OSError, EOFError, InputError) as error:
                if isinstance(error, InputError):
                    log.warning("frame_bus_refused", run_id=str(self._run_id), reason=str(error))
            finally:
                await self._disconnect()
            if is_known:
                self._listener.on_lost(is_final=self._is_final)
            await asyncio.sleep(FIRST_PAUSE_S)

    async def _connect(self) -> asyncio.StreamReader | None:
        """Connect to the newest epoch that is not older than the one before; None where there is none."""
        with suppress(OSError):
            found = find_socket(self._folder, self._run_id)
            if found is not None and found[0] >= self._epoch:
                reader, self._writer = await asyncio.open_unix_connection(sock=connect(found[1]), limit=READ_BYTES)
                return reader
        return None

    async def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()

    async def _read_hello(self, reader: asyncio.StreamReader) -> bool:
        """Read the first message and ask for what is wanted; False where it is another run's."""
        message = await _read_message(reader, LOOK_S)
        hello = message.document if message is not None and message.kind == Kind.HELLO else {}
        epoch = hello.get("epoch")
        if hello.get("run") != str(self._run_id) or not isinstance(epoch, int):
            return False
        self._epoch, self._is_final = epoch, False
        if self._writer is not None:
            self._writer.write(self._wanted.wants.pack())
        self._listener.on_connected(self._epoch)
        return True

    async def _read_on(self, reader: asyncio.StreamReader) -> None:
        """Read a message and tell of it.

        Raises:
            EOFError: The other side has ended, or a newer epoch is there.
        """
        message = await _read_message(reader, LOOK_S)
        if message is not None:
            self._tell(message)
        else:
            found = find_socket(self._folder, self._run_id)
            if found is not None and found[0] > self._epoch:
                raise EOFError

    def _tell(self, message: Message) -> None:
        if message.kind == Kind.END:
            self._is_final = message.document.get("is_final") is True
        else:
            self._wanted.tell(message, self._listener)


async def _read_message(reader: asyncio.StreamReader, timeout_s: float) -> Message | None:
    """The next message; None where none begins in time.

    Raises:
        EOFError, OSError: The other side has ended.
        InputError: It is longer than any.
    """
    try:
        async with asyncio.timeout(timeout_s):
            head = await reader.readexactly(HEADER.size)
    except TimeoutError:
        return None
    size, kind, _, number = HEADER.unpack(head)
    if size > MOST_BODY:
        raise InputError(f"A message of {size} bytes is longer than {MOST_BODY}.")
    return Message(kind, number, await reader.readexactly(size))
