"""Alert rules that owners keep, for one run or for all; and what rules would have said of a recorded run."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import Header, Response
from fastapi import status as http_status

from grid.api.alert_presenting import present_rule
from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById
from grid.api.presenting import place_members
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.core.errors import FieldError
from grid.database.uow import UnitOfWork
from grid.schemas.wire.alerts import (
    AlertRuleIn,
    AlertRuleOut,
    AlertRulePage,
    RuleChangeIn,
    RuleScoreOut,
    RulesTestIn,
    RulesTestOut,
)
from grid.services.alerts.recorded import try_on_samples
from grid.services.alerts.rules import RuleService

router = Router(prefix="/alert-rules", tags=["alerts"])

_ETAG = re.compile(r'"(\d{1,9})"')
IfMatch = Annotated[str | None, Header(max_length=32, description='The `ETag` that was read, such as "3", or *')]


@router.post("", status_code=http_status.HTTP_201_CREATED, responses=problems(404, 409, 422))
def add_rule(
    body: AlertRuleIn, user: CurrentUser, service: FromDishka[RuleService], response: Response
) -> AlertRuleOut:
    """Keep a rule. In simulation time it reaches its runs as a command, in wall time with the next evaluation."""
    return _answer(present_rule(service.add(owner_id=user.id, raw=body.rule, run_id=body.run)), response)


@router.get("", responses=problems(403))
def list_rules(owner_id: Owner, service: FromDishka[RuleService], window: ById) -> AlertRulePage:
    """List rules, newest first."""
    found = service.list(window, owner_id=owner_id)
    return AlertRulePage(items=[present_rule(rule) for rule in found.items], **place_members(found))


@router.post("/test", responses=problems(403, 404, 422))
def test_rules(body: RulesTestIn, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> RulesTestOut:
    """Try rules on the stored samples of a run: delay, warning time, false alarms, flaps, missed."""
    trial, resolution_s = try_on_samples(uow, owner_id=owner_id, run_id=body.run, rules=body.rules, truth=body.truth)
    scores = [score.to_json() for score in trial.scores()]
    return RulesTestOut(
        resolution_s=resolution_s,
        length_s=scores[0]["length_s"] if scores else 0.0,
        truths=len(trial.truths),
        scores=[RuleScoreOut(**{name: score[name] for name in RuleScoreOut.model_fields}) for score in scores],
    )


@router.get("/{rule_id}", responses=problems(403, 404))
def get_rule(rule_id: UUID, owner_id: Owner, service: FromDishka[RuleService], response: Response) -> AlertRuleOut:
    """Show one rule; its version is the `ETag`."""
    return _answer(present_rule(service.get(owner_id=owner_id, rule_id=rule_id)), response)


@router.put("/{rule_id}", responses=problems(403, 404, 412, 422))
def change_rule(
    rule_id: UUID, body: RuleChangeIn, user: CurrentUser, owner_id: Owner, service: FromDishka[RuleService],
    response: Response, if_match: IfMatch = None,
) -> AlertRuleOut:  # fmt: skip
    """Replace a rule; alerts that still fire keep their ids. 412 where others changed it since."""
    changed = service.change(
        actor_id=user.id, owner_id=owner_id, rule_id=rule_id, raw=body.rule, version=_read_version(if_match)
    )
    return _answer(present_rule(changed), response)


@router.delete("/{rule_id}", status_code=http_status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
def remove_rule(rule_id: UUID, user: CurrentUser, owner_id: Owner, service: FromDishka[RuleService]) -> None:
    """Remove a rule; an alert that fires by it ends as unresolved."""
    service.remove(actor_id=user.id, owner_id=owner_id, rule_id=rule_id)


def _answer(rule: AlertRuleOut, response: Response) -> AlertRuleOut:
    response.headers["ETag"] = f'"{rule.version}"'
    return rule


def _read_version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise FieldError("If-Match", 'must be the ETag of the rule, such as "3", or *')
    return int(match[1])
