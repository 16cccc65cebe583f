"""Logging in, staying logged in, logging out."""

from typing import Annotated

from fastapi import Query, Request, status

from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.security import FreshUser, find_opening
from grid.core.proofs import NONCE_PATTERN, make_proof
from grid.database.uow import UnitOfWork
from grid.schemas.identity import LinkOut, LoginIn, ProofOut, RefreshIn, TokenOut
from grid.services import login_links
from grid.services.container import ServerKey
from grid.services.identity import IdentityService, TokenPair

router = Router(prefix="/auth", tags=["auth"], about="Tokens")


@router.post("/login", responses=problems(401, 422, 429))
def log_in(body: LoginIn, request: Request, identity: FromDishka[IdentityService]) -> TokenOut:
    """Exchange a user name and a password for tokens.

    Wrong passwords are counted, 10 in 15 minutes for one account and 30 in a minute for one address; `Retry-After`
    says when the next one is looked at.
    """
    opening = find_opening(request)
    pair = identity.log_in(
        username=body.username,
        password=body.password.get_secret_value(),
        address=opening.address,
        refresh_token=body.refresh_token.get_secret_value() if body.refresh_token else None,
        opening=opening,
    )
    return _tokens(pair)


@router.post("/refresh", responses=problems(401, 409, 422))
def refresh(body: RefreshIn, identity: FromDishka[IdentityService]) -> TokenOut:
    """Exchange a refresh token for new tokens. Each can be used once; a second use ends the session.

    Where the answer was lost, the same token is answered once more within 5 seconds. Of several requests with one token
    at the same time one is answered, and the others get 409 `refresh-superseded`.
    """
    return _tokens(identity.refresh(body.refresh_token.get_secret_value()))


@router.get("/proof", responses=problems(422))
async def show_proof(
    nonce: Annotated[str, Query(pattern=NONCE_PATTERN, description="32 random bytes, in hexadecimal digits")],
    request: Request,
    key: FromDishka[ServerKey],
) -> ProofOut:
    """Show that this server has the key of its data folder, for the address at which it was reached.

    Commands on the same machine ask for this before they send a password or a refresh token.
    """
    host, port = request.scope["server"] or ("", 0)
    return ProofOut(proof=make_proof(key, nonce, str(host), int(port or 0)))


@router.post("/link", status_code=status.HTTP_201_CREATED, responses=problems(401, 429, 507))
def make_login_link(user: FreshUser, uow: FromDishka[UnitOfWork]) -> LinkOut:
    """Make a link that logs one browser in as you: its code can be used once, within 10 minutes.

    Put the path behind the address of this server. It is worth nothing once this session has ended.
    """
    link = login_links.make_login_link(uow, user)
    return LinkOut(path=link.path, expires_at=link.expires_at)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=problems(401))
def log_out(user: FreshUser, identity: FromDishka[IdentityService]) -> None:
    """End this session, at once: its access and refresh tokens are worth nothing any more."""
    identity.log_out(user)


def _tokens(pair: TokenPair) -> TokenOut:
    return TokenOut(access_token=pair.access_token, refresh_token=pair.refresh_token, expires_in=pair.expires_in)
