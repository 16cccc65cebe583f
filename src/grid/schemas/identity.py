"""Identity on the wire: login, tokens, users. No model that comes in has an owner, a state or a quota in it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from grid.schemas.wire.jobs import Place

USERNAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

RoleName = Literal["user", "admin"]
# Secrets do not print. Only the length is limited here: a password that cannot be right is simply not right.
GivenPassword = Annotated[SecretStr, Field(min_length=1, max_length=256)]
NewUsername = Annotated[
    str,
    StringConstraints(pattern=USERNAME_PATTERN, to_lower=True),
    Field(description="Letters, digits, dot, dash and underscore; case does not matter"),
]
NewPassword = Annotated[SecretStr, Field(min_length=12, max_length=128, description="12 to 128 characters")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginIn(_In):
    """A user name and its password."""

    username: Annotated[str, Field(min_length=1, max_length=256)]
    password: GivenPassword
    refresh_token: Annotated[SecretStr, Field(max_length=256)] | None = Field(
        None,
        description="Of an earlier login that has not ended: shows that this device is known, so that strangers who "
        "guess the password cannot lock it out. It is not used up",
    )


class RefreshIn(_In):
    """The refresh token of the last answer; it can be used once."""

    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=256)]


class TokenOut(BaseModel):
    """A token to send from now on (`Authorization: Bearer ...`), and one to renew it with."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Life of the access token [s]")


class WebLoginIn(_In):
    """A user name and its password, from the page; the cookie shows whether the browser is known."""

    username: Annotated[str, Field(min_length=1, max_length=256)]
    password: GivenPassword


class LinkIn(_In):
    """The code of a login link."""

    code: Annotated[SecretStr, Field(min_length=1, max_length=256, description="What follows `#code=`")]


class LinkOut(BaseModel):
    """A link that logs one browser in, once."""

    path: str = Field(description="Of this server, with the code in its fragment: /login#code=...")
    expires_at: datetime


class EmptyIn(_In):
    """Nothing: what the request is about is in its cookies."""


class WebTokenOut(BaseModel):
    """A token to send from now on; what renews it is in a cookie."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Life of the access token [s]")


class SessionOut(BaseModel):
    """A login that can be used now."""

    id: UUID
    kind: Literal["browser", "program"] | None = Field(description="Null for a session from before this was noted")
    address: str | None = Field(description="Of the network, from where it was opened")
    agent: str | None = Field(description="What the program called itself (`User-Agent`); whatever it liked")
    created_at: datetime
    refreshed_at: datetime = Field(description="When it last got new tokens")
    expires_at: datetime = Field(description="At the latest; earlier where nobody refreshes it for 14 days")
    is_current: bool = Field(description="The session of this request")


class SessionList(BaseModel):
    """Your sessions, newest first; the 200 newest where there are more."""

    items: list[SessionOut]


class ViewsIn(_In):
    """Saved views of the web page."""

    views: dict[str, Any] = Field(description="Whatever the page wants to find again; 16 KiB of JSON at most")


class ViewsOut(BaseModel):
    """Saved views, and the version of the document, which is also the `ETag`."""

    views: dict[str, Any]
    version: int = Field(description="0 where nothing was saved yet")
    updated_at: datetime | None


class ProofOut(BaseModel):
    """Shows that the server has the key of its data folder."""

    proof: str = Field(description="HMAC-SHA256, in hexadecimal digits")


class MeOut(BaseModel):
    """The calling user."""

    id: UUID
    username: str
    role: RoleName
    session_id: UUID


class TicketIn(_In):
    """A request for a ticket; it has no members yet."""


class TicketOut(BaseModel):
    """A ticket that opens one stream, once."""

    ticket: str
    expires_in: int = Field(description="Seconds in which it can be used")


class UserOut(BaseModel):
    """A user, as an administrator sees them."""

    id: UUID
    username: str
    role: RoleName
    disabled: bool
    created_at: datetime
    password_changed_at: datetime


class UserPage(Place):
    """A part of the list of users, in the order of their making."""

    items: list[UserOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class UserCreateIn(_In):
    """A new user."""

    username: NewUsername
    password: NewPassword
    role: RoleName = "user"


class UserPatchIn(_In):
    """Changes of a user; what is left out stays. Either change ends all sessions of the user."""

    role: RoleName | None = None
    disabled: bool | None = None

    @model_validator(mode="after")
    def _require_something(self) -> Self:
        if self.role is None and self.disabled is None:
            raise ValueError("name the role or disabled")
        return self


class PasswordChangeIn(_In):
    """The old and the new password. All sessions of the user end, this one too."""

    current_password: GivenPassword
    new_password: NewPassword
