"""The format of heat problems, as forms and editors read it."""

from fastapi import Request, Response

from grid.api.dependencies import Router
from grid.api.files import Responses, is_known, not_modified
from grid.api.security import CurrentUser
from grid.services.problem_schema import problem_schema

router = Router(prefix="/problems", tags=["simulations"])

_SCHEMA: Responses = {
    200: {"description": "A JSON Schema", "content": {"application/schema+json": {"schema": {"type": "object"}}}},
    304: {"description": "`If-None-Match` names it: it has not changed"},
}


@router.get("/schema", response_class=Response, responses=_SCHEMA)
def get_problem_schema(request: Request, _user: CurrentUser) -> Response:
    """Return the JSON Schema of a heat problem, with those of all other cases of the format behind it."""
    schema = problem_schema()
    if is_known(request.headers, schema.tag):
        return not_modified(schema.tag)
    headers = {"ETag": f'"{schema.tag}"', "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(schema.data, media_type="application/schema+json", headers=headers)
