"""A source of the monitor that a test drives: it tells what the test puts in, and notes what is asked of it."""

import numpy as np

from grid.cli.monitor.source import Alert, Answer, NotOfferedError, Reading, Run, Status, Want
from grid.cli.monitor.streams import Streams
from grid.core.errors import FieldError
from grid.runtime.live.frames import Stamp, encode_frame

RUN = Run(
    "b1", "burst-3", "burst", 0.1, 10.0, "explicit", "K", (64, 64), (0.0, 0.0), (1.0, 1.0),
    ("temperature", "stress", "utilisation", "damage", "state"), {"highest": 400.0},
)  # fmt: skip
HOT = (40, 20)  # the hottest cell of `make_field`


def make_field(peak: float = 540.0, cells: int = 64) -> np.ndarray:
    """A warm spot in an even plate [K]."""
    x, y = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
    scale = cells / 64.0
    return 300.0 + (peak - 300.0) * np.exp(
        -((x - HOT[0] * scale) ** 2 + (y - HOT[1] * scale) ** 2) / (2.0 * (6.0 * scale) ** 2)
    )


def make_frame(
    peak: float = 540.0, *, tick: int = 10, computed_ms: int = 1_000_000, name: str = "temperature"
) -> bytes:
    """A frame of `make_field`."""
    return encode_frame(make_field(peak), Stamp(tick, 0.1 * tick, computed_ms=computed_ms), name=name)


def make_reading(tick: int = 10, *, taken_s: float = 1000.0, **metrics: float | None) -> Reading:
    """A sample."""
    known = {
        "highest": 538.2, "mean": 341.0, "utilisation": 0.81, "processor_s": 0.009, "ratio": 1.0, "is_lumped": 0.0,
        "share": 0.31, **metrics,
    }  # fmt: skip
    return Reading(tick, 0.1 * tick, known, known, taken_s)


def make_alert(**changes):
    fields = {
        "id": "a", "rule": "hot", "severity": "high", "state": "firing", "metric": "highest", "op": ">", "value": 538.0,
        "threshold": 520.0, "tick": 3, **changes,
    }  # fmt: skip
    return Alert(**fields)


class ScriptedSource(Streams):
    """Implements `MonitorSource`; commands are noted in `asked`, or refused by `refusal`."""

    can_return = False

    def __init__(self, run: Run = RUN, status: Status | None = None) -> None:
        super().__init__()
        self.run, self.status = run, status or Status("running")
        self.asked: list[tuple] = []
        self.wants: list[Want] = []
        self.refusal: FieldError | None = None
        self.is_closed = False

    async def open(self) -> Run:
        self.tell(self.status)
        return self.run

    async def close(self) -> None:
        self.is_closed = True
        self.end_streams()

    def tell(self, status: Status) -> None:
        """Tell a status."""
        self._statuses.put(status)

    def send(self, *, frame=None, reading=None, happening=None, alerts=None, run=None) -> None:
        """Tell whatever is given."""
        for channel, value in (
            (self._frames, frame), (self._readings, reading), (self._happenings, happening), (self._alerts, alerts),
            (self._runs, run),
        ):  # fmt: skip
            if value is not None:
                channel.put(value)

    async def want(self, want: Want) -> None:
        self.wants.append(want)

    def _note(self, *asked) -> Answer:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(asked)
        return Answer(f"{asked[0]} is sent as #{len(self.asked)}", len(self.asked))

    async def inject(self, event) -> Answer:
        return self._note("inject", dict(event))

    async def choose_model(self, policy) -> Answer:
        return self._note("model", policy)

    async def pause(self) -> Answer:
        return self._note("pause")

    async def resume(self) -> Answer:
        return self._note("resume")

    async def step(self, ticks) -> Answer:
        return self._note("step", ticks)

    async def set_speed(self, speed) -> Answer:
        return self._note("speed", speed)

    async def acknowledge(self, alert) -> Answer:
        return self._note("acknowledge", alert.id)

    async def branch(self) -> Answer:
        raise NotOfferedError("No branch of this run")

    async def replay(self) -> Answer:
        return self._note("replay")
