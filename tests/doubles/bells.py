"""A doorbell in memory, and a catalogue that is told what it knows."""

import os
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from grid.schemas.images import ListedImage


class MemoryDoorbell:
    """Remembers the rings, and rings the listeners of the same object."""

    def __init__(self) -> None:
        self.rings: list[tuple[str, UUID | None]] = []
        self.listeners: dict[str, list[MemoryBellListener]] = {}

    def ring(self, topic: str, hint: UUID | None = None) -> None:
        self.rings.append((topic, hint))
        for listener in self.listeners.get(topic, []):
            listener.take(hint)

    def listen(self, topic: str) -> "MemoryBellListener":
        listener = MemoryBellListener(self, topic)
        self.listeners.setdefault(topic, []).append(listener)
        return listener


class MemoryBellListener:
    """Readable after a ring, through a pipe."""

    def __init__(self, bell: MemoryDoorbell, topic: str) -> None:
        self.bell, self.topic = bell, topic
        self.last_hint: UUID | None = None
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def take(self, hint: UUID | None) -> None:
        self.last_hint = hint or self.last_hint
        with suppress(BlockingIOError):
            os.write(self._writing, b"!")

    def fileno(self) -> int:
        return self._reading

    def drain(self) -> int:
        count = 0
        with suppress(BlockingIOError):
            while data := os.read(self._reading, 4096):
                count += len(data)
        return count

    def close(self) -> None:
        if self in self.bell.listeners.get(self.topic, []):
            self.bell.listeners[self.topic].remove(self)
            os.close(self._reading)
            os.close(self._writing)


class MemoryImageCatalogue:
    """Knows what it is told."""

    def __init__(self, images: Sequence[ListedImage] = ()) -> None:
        self.images = {image.name: image for image in images}

    def find(self, image: str) -> ListedImage | None:
        return self.images.get(image)
