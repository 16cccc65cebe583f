"""Bodies of requests for branches of a live run, and for replays of it."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from grid.schemas.wire.live import Name, Speed

Time = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FreezeIn(_Strict):
    """A span of a run that is to be a job."""

    from_s: Time = Field(description="Simulated time from which on metrics and events are kept [s]")
    to_s: Time | None = Field(None, description="Simulated time of the end [s]; null: where the run is")


class BranchIn(_Strict):
    """A run that begins where another one was."""

    at_tick: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None, description="Boundary at which it leaves its parent; null: that of the snapshot, else where the parent is"
    )
    # Not strict: JSON has no identifiers, so it comes as text.
    snapshot: Annotated[UUID, Field(strict=False)] | None = Field(
        None, description="A checkpoint of the parent (`GET .../checkpoints`), in place of a boundary"
    )
    keep_commands: bool = Field(
        True, description="Carry out what the parent was told for that boundary and later; false: nothing of it"
    )
    speed: Speed | None = Field(None, description="Factor on the rate, or max; null: as the parent's")
    paused: bool = Field(False, description="Pause there")
    name: Name = ""
