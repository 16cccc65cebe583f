"""Tickets of streams."""

from fastapi import Request, status

from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.security import FreshUser
from grid.api.stream_places import find_places
from grid.database.uow import UnitOfWork
from grid.schemas.identity import TicketIn, TicketOut
from grid.services import tickets

router = Router(prefix="/streams", tags=["streams"], about="Tickets of the WebSocket `/api/v1/live`")


@router.post("/tickets", status_code=status.HTTP_201_CREATED, responses=problems(401, 422, 429, 507))
def issue_ticket(
    request: Request, user: FreshUser, uow: FromDishka[UnitOfWork], body: TicketIn | None = None
) -> TicketOut:
    """Issue a ticket, which opens one WebSocket within 30 seconds: send it in the first message, `hello`."""
    del body  # empty
    find_places(request).require_free(user.id)
    ticket = tickets.issue_ticket(uow, user)
    return TicketOut(ticket=ticket.text, expires_in=ticket.expires_in)
