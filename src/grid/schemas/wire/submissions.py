"""The body of `POST /api/v1/jobs`, and the answer."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from grid.schemas.labels import MAX_BYTES, MAX_KEY_LENGTH, MAX_LABELS, require_label_key, require_label_text

MAX_SWEEP_POINTS = 10_000  # points of one submission, which one transaction stores
MAX_RETRIES = 10  # further tries of a program that ends with an error
MAX_PRIORITY = 10  # steps before and behind the middle of an owner's own queue
MAX_TIMEOUT_S = 7 * 86_400  # the operator's MAX_JOB_TIMEOUT is lower or equal, and checked by the service


def _require_small(metadata: dict[str, Any]) -> dict[str, Any]:
    """Refuse metadata of more than 8 KiB, counted as UTF-8 text of its keys and values."""
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in metadata.items())
    if size > MAX_BYTES:
        raise ValueError(f"must be at most {MAX_BYTES} bytes in all")
    return metadata


MetadataKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH), AfterValidator(require_label_key)]
MetadataText = Annotated[str, AfterValidator(require_label_text)]
MetadataValue = (
    MetadataText | bool | Annotated[int, Field(ge=-(2**53), le=2**53)] | Annotated[float, Field(allow_inf_nan=False)]
)
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Field(
        max_length=MAX_LABELS,
        description="Labels of your own: strings of one line, numbers and booleans, 8 KiB in all",
    ),
    AfterValidator(_require_small),
]


class SubmissionIn(BaseModel):
    """One job (`params`), or one job for each point of a sweep (`sweep`, over what all points share in `params`).

    Name a `container_image` or a built-in `simulation`; with neither, the default image runs.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "container_image": "sim:local",
                    "params": {"length": 1.0, "time_steps": 200, "diffusivity": 0.01, "initial_temp": 100.0},
                    "metadata": {"project": "heat-transfer", "user": "researcher"},
                },
                {
                    "simulation": "heat-rod",
                    "params": {"time_steps": 200},
                    "sweep": [{"length": 1.0, "diffusivity": 0.01}, {"length": 0.5, "diffusivity": 0.02}],
                },
            ]
        },
    )

    container_image: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="An image on the administrator's list; default: DEFAULT_CONTAINER_IMAGE"
    )
    simulation: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="A built-in simulation: see `GET /api/v1/simulations`"
    )
    # `Any`: values come from a JSON reader, and checking them again one by one costs two microseconds each and a copy.
    params: dict[str, Any] | None = Field(
        None, description="Parameters of the job, or common to all points of the sweep; those left out take defaults"
    )
    sweep: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_SWEEP_POINTS)] | None = Field(
        None,
        description="One job for each point: its own parameters, over the common `params`. A dotted name goes into a "
        "nested problem, as in `problem.material.conductivity` or `problem.sources[0].power`",
    )
    metadata: Metadata = Field(default_factory=dict)
    retries: int = Field(0, ge=0, le=MAX_RETRIES, description="Further tries where the program ends with an error")
    priority: int = Field(0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Among your own jobs; higher goes first")
    timeout_s: float | None = Field(
        None, gt=0, le=MAX_TIMEOUT_S, allow_inf_nan=False, description="Wall-clock limit of one run [s]"
    )

    @model_validator(mode="after")
    def _is_unambiguous(self) -> "SubmissionIn":
        if self.container_image is not None and self.simulation is not None:
            raise ValueError("name either container_image or simulation, not both")
        return self


class SubmissionOut(BaseModel):
    """The jobs that were made; they are committed when you read this."""

    jobs: list[UUID] = Field(description="One id for each job, in the order of the sweep")
    sweep_mapping: dict[UUID, dict[str, JsonValue]] | None = Field(
        description="For a sweep: each job's own parameters as they were sent"
    )
    sweep: UUID | None = Field(None, description="For a sweep: its id, see `GET /api/v1/sweeps/{id}`")


class FieldProblem(BaseModel):
    """One field outside its limits."""

    field: str = Field(description="Where it is, as in `sweep[17].diffusivity`")
    limit: str = Field(description="What it must be")
    unit: str | None = Field(None, description="The unit of the field, where it has one")


class RefusedPointOut(BaseModel):
    """A point for which a submission would be refused."""

    index: int
    errors: list[FieldProblem]


class WallTimeOut(BaseModel):
    """Time until the last point ends."""

    low: float = Field(description="Where all cores of the workers are free for them [s]")
    high: float = Field(description="On one core, behind what waits now [s]")


class EstimateOut(BaseModel):
    """Price of the points that would be taken."""

    work_s: float = Field(description="Of one core [s]")
    wall_s: WallTimeOut
    memory_mb: float = Field(description="Of the largest point [MB]")
    output_mb: float = Field(description="Of all files together, if all are asked for [MB]")
    cell_steps: float = Field(description="Cells times time steps")


class QueueOut(BaseModel):
    """The queue as it is now."""

    waiting: int = Field(description="Your jobs that wait")
    limit: int = Field(description="Most of them")
    has_room: bool = Field(description="Whether all points fit, also into the queue of all users")
    ahead_s: float = Field(description="Estimated time until their turn comes [s]")
    cores: int = Field(description="Of the workers that live; 0: none is there")


class PricedSubmissionOut(BaseModel):
    """What a submission would be, if it were made now."""

    points: int
    refused_total: int = Field(description="A submission with any of them is refused as a whole")
    refused: list[RefusedPointOut] = Field(description="100 at most, the first")
    estimate: EstimateOut | None = Field(description="Null for a program that declares no parameters")
    queue: QueueOut
