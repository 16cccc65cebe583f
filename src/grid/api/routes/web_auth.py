"""Logging a browser in, keeping it logged in, logging it out: the refresh token is in a cookie that no script reads."""

from fastapi import Request, Response, status

from grid.api.dependencies import FromDishka, Router
from grid.api.own_page import CsrfToken, FromOwnPage, OwnPage
from grid.api.problems import problems
from grid.api.security import find_opening
from grid.database.sessions import SessionKind
from grid.schemas.identity import EmptyIn, LinkIn, WebLoginIn, WebTokenOut
from grid.services.web_sessions import WebSessionService, WebTokens

router = Router(prefix="/auth/web", tags=["auth"])


@router.post("/link", responses=problems(401, 403, 422, 429))
def log_in_by_link(
    body: LinkIn, request: Request, response: Response, page: FromOwnPage, sessions: FromDishka[WebSessionService]
) -> WebTokenOut:
    """Exchange the code of a login link for an access token and the two cookies.

    Wrong codes are counted with wrong passwords of the address, 30 in a minute.
    """
    opening = find_opening(request, SessionKind.BROWSER)
    code = body.code.get_secret_value()
    tokens = sessions.log_in_by_code(code, opening=opening, refresh_token=page.refresh_token)
    return _answer(tokens, page, response)


@router.post("/login", responses=problems(401, 403, 422, 429))
def log_in_browser(
    body: WebLoginIn, request: Request, response: Response, page: FromOwnPage, sessions: FromDishka[WebSessionService]
) -> WebTokenOut:
    """Exchange a user name and a password for an access token and the two cookies; throttled as `/auth/login`."""
    tokens = sessions.log_in(
        username=body.username,
        password=body.password.get_secret_value(),
        opening=find_opening(request, SessionKind.BROWSER),
        refresh_token=page.refresh_token,
    )
    return _answer(tokens, page, response)


@router.post("/refresh", responses=problems(401, 403, 409, 422))
def refresh_browser(
    response: Response, page: FromOwnPage, sessions: FromDishka[WebSessionService],
    csrf_token: CsrfToken = "", body: EmptyIn | None = None,
) -> WebTokenOut:  # fmt: skip
    """Exchange the cookie's refresh token for an access token and the next cookies; needs `X-CSRF-Token`.

    Of two tabs at the same time one is answered, the other gets 409 `refresh-superseded`: the cookie is new by then.
    """
    del body  # empty
    return _answer(sessions.refresh(page.refresh_token, csrf_token), page, response)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=problems(401, 403, 422))
def log_out_browser(
    response: Response, page: FromOwnPage, sessions: FromDishka[WebSessionService],
    csrf_token: CsrfToken = "", body: EmptyIn | None = None,
) -> None:  # fmt: skip
    """End the session of the cookie in all tabs, at once, and remove the cookies; needs `X-CSRF-Token`."""
    del body  # empty
    sessions.log_out(page.refresh_token, csrf_token)
    page.clear_cookies(response)


def _answer(tokens: WebTokens, page: OwnPage, response: Response) -> WebTokenOut:
    page.set_cookies(response, tokens)
    return WebTokenOut(access_token=tokens.pair.access_token, expires_in=tokens.pair.expires_in)
