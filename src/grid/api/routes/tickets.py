"""Tickets of streams."""

from fastapi import status

from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.security import FreshUser
from grid.database.uow import UnitOfWork
from grid.schemas.identity import TicketIn, TicketOut
from grid.services import tickets

router = Router(prefix="/streams", tags=["streams"], about="Tickets of the WebSocket `/api/v1/live`")


@router.post("/tickets", status_code=status.HTTP_201_CREATED, responses=problems(401, 422, 429, 507))
def issue_ticket(user: FreshUser, uow: FromDishka[UnitOfWork], body: TicketIn | None = None) -> TicketOut:
    """Issue a ticket, which opens one WebSocket within 30 seconds: send it in the first message, `hello`."""
    del body  # empty
    ticket = tickets.issue_ticket(uow, user)
    return TicketOut(ticket=ticket.text, expires_in=ticket.expires_in)
