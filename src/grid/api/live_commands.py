"""Commands of a request: whoever calls, under the key of the request, to the run that the path names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Header, Response

from grid.api.dependencies import FromDishka
from grid.api.live_presenting import present_accepted
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind
from grid.schemas.wire.live import AcceptedOut
from grid.services.live import AcceptedCommand, CommandRequest, LiveCommandService
from grid.services.mode_board import ModeBoard
from grid.services.submission_store import require_key

Key = Annotated[str | None, Header(description="A key of your own; the same request under the same key acts once")]
SPARING: Final = frozenset({CommandKind.STOP, CommandKind.PAUSE})  # afterwards less is written than before
COMMAND_PROBLEMS = problems(403, 404, 409, 413, 422, 429, 507)


@dataclass(frozen=True)
class CommandSender:
    """Sends commands for one request.

    Args:
        service: Accepts them.
        actor_id: Who sends them.
        owner_id: Whose run it is; None: anybody's, for an administrator who asked for all.
        response: Told where everything had been stored before.
        key: The request's `Idempotency-Key`: the client id of a single command.
        board: Tells whether the store takes anything new.
    """

    service: LiveCommandService
    actor_id: UUID
    owner_id: UUID | None
    response: Response
    key: str | None
    board: ModeBoard

    def send(
        self, run_id: UUID, kind: CommandKind, payload: JsonObject | None = None, *, rules_version: int | None = None
    ) -> AcceptedOut:
        """Send one command; answered means committed."""
        (answer,) = self.send_all(run_id, [CommandRequest(kind, payload or {}, self.key, rules_version=rules_version)])
        return answer

    def send_all(self, run_id: UUID, requests: Sequence[CommandRequest]) -> list[AcceptedOut]:
        """Send several commands, all of them or none; those that spare the disk pass while it is nearly full.

        Raises:
            StorageFullError: The store is read-only.
        """
        if any(request.kind not in SPARING for request in requests):
            self.board.require_room()
        answers = self.service.accept(requests, actor_id=self.actor_id, owner_id=self.owner_id, run_id=run_id)
        self._mark(answers)
        return [present_accepted(run_id, answer) for answer in answers]

    def _mark(self, answers: Sequence[AcceptedCommand]) -> None:
        """Say where nothing was stored because everything had been stored before."""
        if all(answer.is_repeated for answer in answers):
            self.response.headers["Idempotent-Replayed"] = "true"


async def make_sender(
    user: CurrentUser,
    owner_id: Owner,
    service: FromDishka[LiveCommandService],
    board: FromDishka[ModeBoard],
    response: Response,
    idempotency_key: Key = None,
) -> CommandSender:
    """Return what sends the commands of this request.

    Raises:
        FieldError: The key is none.
    """
    if idempotency_key is not None:
        require_key(idempotency_key)
    return CommandSender(service, user.id, owner_id, response, idempotency_key, board)


Commands = Annotated[CommandSender, Depends(make_sender)]
