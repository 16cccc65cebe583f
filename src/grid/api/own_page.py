"""What shows that a request comes from this server's own page, and the cookies of that page.

Cookies are shared by all ports of a host, and `SameSite` takes another port for the same site: on loopback any other
page could make a browser send ours. So routes that read a cookie demand the exact origin, absent is refused too, and
their names have the port of that origin in them, so that two servers on one host leave each other's alone.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request, Response

from grid.core.settings import Settings
from grid.services.identity import IDLE
from grid.services.web_sessions import CsrfError, WebTokens

REFRESH_PATH: Final = "/api/v1/auth/web"  # the only routes that a browser sends the refresh token to
_PORTS: Final = {"http": "80", "https": "443"}
MAX_AGE_S: Final = int(IDLE.total_seconds())  # a session ends after it without a refresh, which sets the cookies anew


@dataclass(frozen=True)
class OwnPage:
    """The page of this server that sent a request, by its origin."""

    port: str  # digits
    is_secure: bool
    refresh_token: str | None = None  # of the cookie

    @property
    def refresh_cookie(self) -> str:
        """Name of the cookie with the refresh token."""
        return f"grid_refresh_{self.port}"

    @property
    def csrf_cookie(self) -> str:
        """Name of the cookie that the page reads and sends back in a header."""
        return f"grid_csrf_{self.port}"

    def set_cookies(self, response: Response, tokens: WebTokens) -> None:
        """Give the browser the tokens that continue its session."""
        self._set(response, self.refresh_cookie, tokens.pair.refresh_token, REFRESH_PATH, is_readable=False)
        self._set(response, self.csrf_cookie, tokens.csrf_token, "/", is_readable=True)

    def clear_cookies(self, response: Response) -> None:
        """Let the browser forget both: as they were set, since some keep a cookie that differs in anything."""
        self._set(response, self.refresh_cookie, "", REFRESH_PATH, is_readable=False, max_age_s=0)
        self._set(response, self.csrf_cookie, "", "/", is_readable=True, max_age_s=0)

    def _set(
        self,
        response: Response,
        name: str,
        value: str,
        path: str,
        *,
        is_readable: bool,
        max_age_s: int = MAX_AGE_S,
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path=path,
            secure=self.is_secure,
            httponly=not is_readable,
            samesite="strict",
        )


def find_own_page(request: Request) -> OwnPage:
    """Return the page of this server that sent the request.

    Raises:
        CsrfError: The request does not show that one did, or names the cookie twice.
    """
    origins = request.headers.getlist("origin")
    if len(origins) != 1 or not _is_own(origins[0].lower(), request):
        raise CsrfError("Origin must be sent, and be exactly that of this server's own page")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise CsrfError("Sec-Fetch-Site must be same-origin where it is sent")
    origin = urlsplit(origins[0].lower())
    _, _, port = origin.netloc.rpartition("]")[2].partition(":")  # behind the brackets of an IPv6 address
    page = OwnPage(port or _PORTS[origin.scheme], origin.scheme == "https")
    return replace(page, refresh_token=_read_cookie(request, page.refresh_cookie))


def _is_own(origin: str, request: Request) -> bool:
    """Tell whether an origin is that of the address that was asked; https before a proxy where an operator lists it."""
    host = request.headers["host"].lower()
    if origin == f"{request.scope.get('scheme', 'http')}://{host}":
        return True
    settings: Settings = request.app.state.settings
    listed = {one.lower().rstrip("/") for one in settings.grid_allowed_origins}
    return origin == f"https://{host}" and origin in listed


def _read_cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie; one that is there twice was set by somebody else too, so nobody's is taken."""
    pairs = [pair.strip() for header in request.headers.getlist("cookie") for pair in header.split(";")]
    values = [value for key, equals, value in (pair.partition("=") for pair in pairs) if key.strip() == name and equals]
    if len(values) > 1:
        raise CsrfError("The cookie of the session must be sent once")
    return values[0].strip() if values else None


CsrfToken = Annotated[str, Header(alias="X-CSRF-Token", description="The value of the cookie `grid_csrf_PORT`")]
FromOwnPage = Annotated[OwnPage, Depends(find_own_page)]
