"""Downloads on the wire: a path of a file for a link to it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class DownloadIn(BaseModel):
    """The file that a link is wanted for."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1024,
            description="`/api/v1/jobs/{id}/result`, `/api/v1/jobs/{id}/artifacts/{name}`, "
            "`/api/v1/sweeps/{id}?format=csv` or `/api/v1/incidents/{id}/export?format=md|json`",
        ),
    ]


class DownloadOut(BaseModel):
    """A link that is good for one download, without a header."""

    url: str = Field(description="Of this server; it is used up by the first request")
    expires_in: int = Field(description="Seconds in which it can be used")
