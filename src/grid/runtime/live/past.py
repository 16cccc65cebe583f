"""The past of live runs, computed again from their stored states and their logs: the same bytes as when it was shown.

The sessions of the last few runs that were asked for are kept at the boundary that was asked for last, so that going on
from there computes only what lies between.
"""

import time
from collections import OrderedDict
from typing import Final, cast
from uuid import UUID

from grid.core.errors import FieldError, GridError, InputError
from grid.engine.errors import CheckpointError, DivergedError
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command, Kind
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.scene import Scene
from grid.engine.live.session import FIELDS, Session
from grid.engine.version import compute_numerics_version
from grid.runtime.live.frame_cache import FrameCache, Picture
from grid.runtime.live.outside import blank_outside
from grid.runtime.live.past_messages import LookBack, LookedBack
from grid.runtime.live.snapshots import read_state
from grid.runtime.spool import ChildFiles
from grid.schemas.frames import FrameFlag

MOST_SESSIONS: Final = 2  # that are kept; one of 1024 x 1024 cells with structure takes 100 MB


class _OtherNumericsError(GridError):
    """The run cannot be computed again here, to the same bytes."""


class PastReader:
    """Computes the past of runs. For one thread.

    Args:
        store: Where their states are stored.
    """

    def __init__(self, store: ChildFiles) -> None:
        self._store = store
        self._sessions: OrderedDict[UUID, Session] = OrderedDict()

    def read(self, asked: LookBack) -> LookedBack:
        """Return the frames that are asked for; never raises for what is asked."""
        try:
            return self._read(asked)
        except FieldError as error:
            return LookedBack(failure="field", detail=str(error))
        except DivergedError as error:
            return LookedBack(failure="diverged", detail=str(error))
        except (CheckpointError, InputError, _OtherNumericsError) as error:
            return LookedBack(failure="other_numerics", detail=str(error))

    def _read(self, asked: LookBack) -> LookedBack:
        session = self._take(asked)
        self._take_up(session, asked)
        if session.scene.structure is None and asked.request.field not in FIELDS[:1]:
            raise FieldError("field", "temperature: the run has no structure")
        begin, cache = session.tick, FrameCache(asked.run_id.bytes[:8], 0)
        if asked.ticks[-1] - begin > asked.most_ticks:
            raise FieldError("tick", f"at most {asked.most_ticks} ticks behind a kept one, such as {begin}")
        frames = []
        for tick in asked.ticks:
            session.advance(tick - session.tick)
            frames.append(self._show(session, asked, cache))
        self._sessions[asked.run_id] = session
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return LookedBack(tuple(frames), session.tick - begin)

    def _take(self, asked: LookBack) -> Session:
        """A session at the first boundary or before it: the one that is kept, if no stored state is nearer."""
        nearest = max((one.tick for one in asked.snapshots), default=0)
        known = self._sessions.pop(asked.run_id, None)
        if known is not None and nearest <= known.tick <= asked.ticks[0]:
            return known
        scene = Scene.from_json(asked.scene)
        clock = plan_clock(scene, float(asked.tick_s), method=asked.method)
        version = compute_numerics_version()
        if version != asked.numerics_version or clock.steps != asked.steps_per_tick:
            raise _OtherNumericsError(f"The run was computed by numerics {asked.numerics_version}; here is {version}.")
        data, _ = read_state(self._store, asked.snapshots)
        return Session(scene, clock, seed=asked.seed) if data is None else Session.load(data, scene, clock)

    @staticmethod
    def _take_up(session: Session, asked: LookBack) -> None:
        """Give the session the commands of the log that it does not hold."""
        known, last = {command.seq for command in session.commands}, asked.ticks[-1]
        for one in asked.log:
            if one.seq in known or one.tick is None or one.tick < session.tick:
                continue
            if one.tick >= last and (one.known is None or one.tick == session.tick):
                continue  # it has not begun at the last boundary, and nothing is prepared for it
            try:
                session.execute(Command(one.seq, cast("Kind", one.kind), one.payload, one.tick, one.known))
            except (RefusedChangeError, InputError):
                continue  # it was refused then as well

    @staticmethod
    def _show(session: Session, asked: LookBack, cache: FrameCache) -> bytes:
        field = asked.request.field
        flags = FrameFlag.NOT_LIVE | (FrameFlag.LUMPED if session.summary.model == "lumped" else FrameFlag(0))
        values = blank_outside(session, session.field(field))
        picture = Picture(session.tick, session.time, int(flags), time.time_ns() // 1_000_000, {field: values})
        return cache.encode(asked.request, picture, time.monotonic()).data
