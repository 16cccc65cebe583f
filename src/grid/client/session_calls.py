"""Calls about one's own sessions and login links, as values; see `grid.client.calls`."""

from grid.client.alert_calls import read_nothing
from grid.client.calls import API, Call, Id, model
from grid.schemas.identity import LinkOut, SessionList


def make_login_link() -> Call[LinkOut]:
    """Make a link that logs one browser in as the caller, once, within ten minutes."""
    return Call("POST", f"{API}/auth/link", model(LinkOut))


def list_sessions() -> Call[SessionList]:
    """List the caller's own sessions that can be used, newest first."""
    return Call("GET", f"{API}/users/me/sessions", model(SessionList))


def end_session(session_id: Id) -> Call[None]:
    """End one of the caller's own sessions."""
    return Call("DELETE", f"{API}/users/me/sessions/{session_id}", read_nothing)
