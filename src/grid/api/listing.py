"""Query parameters of every list: a page by its number, or a cursor; and filters by label, time and search text."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import AwareDatetime

from grid.api.field_errors import name_of
from grid.api.scope import Owner
from grid.core.errors import FieldError
from grid.database.windows import Cursor, Window
from grid.schemas.labels import require_label_key, require_label_value

DEFAULT_SIZE = 50  # rows of an answer

PageNumber = Annotated[int | None, Query(ge=1, le=1_000_000, description="A page by its number; default: the first")]
PageSize = Annotated[int | None, Query(ge=1, le=200, description=f"Rows of a page; default: {DEFAULT_SIZE}")]
Limit = Annotated[int | None, Query(ge=1, le=200, description="Most rows, in place of `page` and `size`")]
After = Annotated[
    UUID | None, Query(description="Rows behind this cursor, which is the `next` of the answer before; with `limit`")
]


def choose_window(
    page: int | None, size: int | None, after: Cursor | None, limit: int | None, *, default_size: int = DEFAULT_SIZE
) -> Window[Cursor]:
    """Return the part of a list that a query names.

    Raises:
        FieldError: It names a page and a cursor.
    """
    if after is None and limit is None:
        return Window(size or default_size, page or 1)
    if page is not None or size is not None:
        raise FieldError("page" if page is not None else "size", "goes with neither after nor limit: name one pair")
    return Window(limit or default_size, None, after)


def read_window(
    page: PageNumber = None, size: PageSize = None, after: After = None, limit: Limit = None
) -> Window[UUID]:
    """Return the part of a list whose rows have ids."""
    return choose_window(page, size, after, limit)


ById = Annotated[Window[UUID], Depends(read_window)]


class LabelQuery:
    """The filters `metadata.KEY=VALUE` and `label=KEY:VALUE` of a query; a row has to have every label."""

    query_prefixes = ("metadata.",)  # names that `grid.api.dependencies` lets pass

    def __call__(
        self,
        request: Request,
        label: Annotated[
            list[str] | None, Query(description="`key:value`, split at the first colon; repeatable")
        ] = None,
    ) -> Mapping[str, str]:
        """Return the labels by key.

        Raises:
            FieldError: A key or a value that no job can have, or one key with two values.
        """
        labels: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name.startswith("metadata."):
                _add(labels, "metadata", name.removeprefix("metadata."), value)
        for text in label or ():
            key, colon, value = text.partition(":")
            if not colon:
                raise FieldError("label", "has the form key:value")
            _add(labels, "label", key, value)
        return labels


def _add(labels: dict[str, str], field: str, key: str, value: str) -> None:
    try:
        require_label_key(key)
    except ValueError as error:
        raise FieldError(field, str(error)) from error
    name = name_of((field, key))
    try:
        require_label_value(value)
    except ValueError as error:
        raise FieldError(name, str(error)) from error
    if labels.setdefault(key, value) != value:
        raise FieldError(name, "has one value")


Labels = Annotated[Mapping[str, str], Depends(LabelQuery())]


class Common(NamedTuple):
    """Filters that lists of jobs and of sweeps share, by the names of `JobFilter` and `SweepFilter`."""

    owner_id: UUID | None
    labels: Mapping[str, str]
    created_from: datetime | None
    created_to: datetime | None
    search: str | None


def read_common(
    owner_id: Owner,
    labels: Labels,
    created_from: Annotated[
        AwareDatetime | None, Query(description="Made at this time or later, as 2026-01-31T08:00Z")
    ] = None,
    created_to: Annotated[AwareDatetime | None, Query(description="Made before this time")] = None,
    q: Annotated[
        str | None, Query(min_length=1, description="The beginning of an id, or the value of a label under any key")
    ] = None,
) -> Common:
    """Return the filters of a query that lists share.

    Raises:
        FieldError: A span of time that ends before it begins, or a text that no label can have.
    """
    if created_from is not None and created_to is not None and created_to <= created_from:
        raise FieldError("created_to", "must be later than created_from")
    if q is not None:
        try:
            require_label_value(q)
        except ValueError as error:
            raise FieldError("q", str(error)) from error
    return Common(owner_id, labels, created_from, created_to, q)


CommonFilters = Annotated[Common, Depends(read_common)]

__all__ = ["ById", "CommonFilters", "Labels", "choose_window"]
