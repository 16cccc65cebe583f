"""A branch through a whole worker, on both databases: it is taken up as any run that goes on from a snapshot."""

from pathlib import Path

import pytest
from tests.support.ledgers import add_owner
from tests.support.live_worker import BURST, LIMITS, OVERLOAD, LiveRunProbe
from tests.support.workers import working

from grid.database.uow import UnitOfWork
from grid.plugins.registry import load_registry
from grid.schemas.live import CommandKind, RunState
from grid.services import live
from grid.services.live import BranchRequest, LiveBranchService


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def replayed(uow: UnitOfWork, run: LiveRunProbe) -> str:
    """Verdict of the simulation `live` on the exported log of a run."""
    simulation = load_registry().get("live")
    log = live.read_log(uow, owner_id=None, run_id=run.run_id).document
    (outcome,) = simulation.solve([simulation.params_model(log=log)], lambda _: frozenset()).outcomes
    return str(outcome.metrics["verdict"])


def test_a_branch_goes_on_from_a_checkpoint_while_its_parent_ticks(uow: UnitOfWork, home: Path):
    with working(uow, home) as worker:
        owner = add_owner(uow)
        parent = LiveRunProbe.submit(uow, worker.bell, owner, rate=40.0)
        parent.wait_for(RunState.RUNNING)
        parent.wait_for_effect(parent.send(CommandKind.EVENT, BURST))
        kept = parent.wait_for_effect(parent.send(CommandKind.CHECKPOINT))
        assert kept.tick is not None
        parent.wait_for_tick(kept.tick + 20)

        service = LiveBranchService(uow, worker.store, worker.bell, LIMITS)
        request = BranchRequest(at_tick=kept.tick + 5, keeps_commands=False)
        made = service.branch(request, actor_id=owner, owner_id=owner, run_id=parent.run_id)
        branch = LiveRunProbe(uow, worker.bell, made.id, parent.scene)
        branch.wait_for(RunState.RUNNING)
        branch.wait_for_effect(branch.send(CommandKind.EVENT, OVERLOAD))

        ended = [one.stop() for one in (branch, parent)]
    (resumed,) = branch.events("resumed")
    assert resumed.payload["to_tick"] == made.parent_tick == kept.tick + 5
    assert resumed.payload["from_tick"] in {kept.tick, kept.tick + 1}
    for run, row in zip((branch, parent), ended, strict=True):
        assert row.state is RunState.STOPPED, row.message
        assert row.result_manifest is not None
        assert row.result_manifest["field_sha256"] == run.replay()
        assert replayed(uow, run) == "identical"
    assert not parent.events("resumed")
