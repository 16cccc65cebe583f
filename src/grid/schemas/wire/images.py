"""Container images that jobs may name, as users see them."""

from typing import Literal

from pydantic import BaseModel, Field


class ImageOut(BaseModel):
    """One image of the administrator's list."""

    name: str = Field(description="What a job names as `container_image`")
    runner: Literal["program", "docker"] | None = Field(
        description="Where it runs: as a local program, or in a container; null where it may run nowhere"
    )
    digest: str | None = Field(description="The content that runs in the container; null for a local program")


class ImagesOut(BaseModel):
    """The administrator's list, by name."""

    items: list[ImageOut]
