"""The streams of a source, as its reader sees them."""

from collections.abc import AsyncIterator

from grid.cli.monitor.channels import Backlog, Latest
from grid.cli.monitor.source import Alert, Happening, Reading, Run, Status

MOST_READINGS = 600  # a minute of ten a second
MOST_HAPPENINGS = 2_000  # more than anybody reads; what is lost is told as `gap`


class Streams:
    """What a source tells, until it is read. A status, a frame and a list of alerts replace the one before."""

    def __init__(self) -> None:
        self._runs, self._statuses, self._frames = Latest[Run](), Latest[Status](), Latest[bytes]()
        self._alerts = Latest[tuple[Alert, ...]]()
        self._readings, self._happenings = Backlog[Reading](MOST_READINGS), Backlog[Happening](MOST_HAPPENINGS)

    def runs(self) -> AsyncIterator[Run]:
        """The run again, where another one takes its place."""
        return self._runs

    def statuses(self) -> AsyncIterator[Status]:
        """The newest status."""
        return self._statuses

    def frames(self) -> AsyncIterator[bytes]:
        """The newest frame."""
        return self._frames

    def readings(self) -> AsyncIterator[Reading]:
        """Samples of metrics; the oldest go where nobody reads them."""
        return self._readings

    async def happenings(self) -> AsyncIterator[Happening]:
        """Events in order; what nobody has read in time is told as an event `gap`."""
        async for happening in self._happenings:
            if lost := self._happenings.take_lost():
                yield Happening(happening.tick, "gap", {"events": lost})
            yield happening

    def alerts(self) -> AsyncIterator[tuple[Alert, ...]]:
        """All alerts that are not in order."""
        return self._alerts

    def end_streams(self) -> None:
        """End every stream, after what waits in it."""
        for channel in (self._runs, self._statuses, self._frames, self._alerts, self._readings, self._happenings):
            channel.close()
