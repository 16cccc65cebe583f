"""Your own sessions: where you are logged in, and logging out elsewhere."""

from uuid import UUID

from fastapi import status

from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.security import FreshUser
from grid.database.sessions import LiveSession
from grid.schemas.identity import SessionList, SessionOut
from grid.services.sessions import Principal, SessionDirectory

router = Router(prefix="/users/me/sessions", tags=["users"])


@router.get("", responses=problems(401))
def list_sessions(user: FreshUser, sessions: FromDishka[SessionDirectory]) -> SessionList:
    """List your sessions that can be used, newest first."""
    return SessionList(items=[_present(session, user) for session in sessions.list_own(user)])


@router.delete("/{session_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(401, 404))
def end_session(session_id: UUID, user: FreshUser, sessions: FromDishka[SessionDirectory]) -> None:
    """End one of your sessions: its refresh token at once, its access tokens within 5 seconds."""
    sessions.end_own(user, session_id)


def _present(session: LiveSession, user: Principal) -> SessionOut:
    return SessionOut(
        id=session.id,
        kind=session.kind.value if session.kind is not None else None,
        address=session.address,
        agent=session.agent,
        created_at=session.created_at,
        refreshed_at=session.refreshed_at,
        expires_at=session.expires_at,
        is_current=session.id == user.session_id,
    )
