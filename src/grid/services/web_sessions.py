"""Sessions of browsers: the refresh token is in a cookie, and what changes with it asks for a token beside it.

A cookie goes with a request whoever causes it, so a refresh and a logout also need the session's CSRF token: an HMAC
that the page reads and sends in a header. That of another session, and none, are refused before anything changes.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from grid.core.errors import AuthenticationError, ForbiddenError
from grid.core.tokens import TokenSigner
from grid.database.sessions import Opening
from grid.services.identity import ENDED, IdentityService, TokenPair


class CsrfError(ForbiddenError):
    """The request does not show that the page of this server sent it."""

    code, title = "csrf", "The request is not shown to come from this server's own page"

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.limit}."


@dataclass(frozen=True)
class WebTokens:
    """Tokens of a browser's session, and what shows that a request is of its page; the texts stay out of `repr`."""

    pair: TokenPair
    csrf_token: str

    def __repr__(self) -> str:
        return f"WebTokens(session_id={self.pair.session_id!s})"


class WebSessionService:
    """Login, refresh and logout of browsers.

    Args:
        identity: Opens, continues and ends sessions.
        tokens: Makes the CSRF token of a session.
    """

    def __init__(self, identity: IdentityService, tokens: TokenSigner) -> None:
        self._identity, self._tokens = identity, tokens

    def log_in(self, *, username: str, password: str, opening: Opening, refresh_token: str | None) -> WebTokens:
        """Open a session for a user who knows the password; the session that the browser had before ends.

        Raises:
            AuthenticationError, TooManyRequestsError: As `IdentityService.log_in`.
        """
        pair = self._identity.log_in(
            username=username,
            password=password,
            address=opening.address,
            refresh_token=refresh_token,
            opening=opening,
        )
        return self._replace(refresh_token, pair)

    def log_in_by_code(self, code: str, *, opening: Opening, refresh_token: str | None) -> WebTokens:
        """Open a session for the user of a login link; the session that the browser had before ends.

        Raises:
            AuthenticationError, TooManyRequestsError: As `IdentityService.log_in_by_code`.
        """
        return self._replace(refresh_token, self._identity.log_in_by_code(code, opening))

    def refresh(self, refresh_token: str | None, csrf_token: str) -> WebTokens:
        """Exchange the cookie's refresh token for its successor and a new access token.

        Raises:
            AuthenticationError: There is no cookie, or its session has ended.
            CsrfError: The CSRF token is not that of the session; nothing has changed.
            RefreshSupersededError: Another tab presents the same token at this moment.
        """
        if refresh_token is None:
            raise AuthenticationError(ENDED)
        return self._complete(self._identity.refresh(refresh_token, check=partial(self._require_own, csrf_token)))

    def log_out(self, refresh_token: str | None, csrf_token: str) -> None:
        """End the session of the cookie, in all tabs.

        Raises:
            AuthenticationError: There is no cookie, or nobody knows its token.
            CsrfError: The CSRF token is not that of the session; nothing has changed.
        """
        if refresh_token is None:
            raise AuthenticationError(ENDED)
        self._identity.log_out_family(refresh_token, check=partial(self._require_own, csrf_token))

    def _require_own(self, csrf_token: str, session_id: UUID) -> None:
        if not self._tokens.is_csrf_token(csrf_token, session_id):
            raise CsrfError("X-CSRF-Token must be the value of the session's own CSRF cookie")

    def _replace(self, replaced: str | None, pair: TokenPair) -> WebTokens:
        """End the session whose cookie is overwritten now: nobody could use it or end it any more."""
        if replaced is not None:
            with suppress(AuthenticationError):  # the cookie was none of ours
                self._identity.log_out_family(replaced)
        return self._complete(pair)

    def _complete(self, pair: TokenPair) -> WebTokens:
        return WebTokens(pair, self._tokens.make_csrf_token(pair.session_id))
