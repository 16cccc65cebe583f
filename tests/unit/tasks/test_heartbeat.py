"""The heartbeat: all leases in one call, soon after a ring where they are few."""

from uuid import uuid4

from tests.doubles.ledgers import MemoryLedger

from grid.schemas.jobs import Claim
from grid.services.ledger import Renewal
from grid.services.renders import RenderClaim
from grid.tasks.events import LeasesRenewed
from grid.tasks.heartbeat import HASTE_LIMIT, Heartbeat
from grid.tasks.leases import Leases


def make_heartbeat(ledger: MemoryLedger, leases: Leases, events: list[object], **options: object) -> Heartbeat:
    return Heartbeat(ledger, leases, events.append, every_s=3600.0, **options)  # type: ignore[arg-type]


def test_a_heartbeat_renews_everything_in_one_call_and_names_what_is_lost():
    ledger, leases, events = MemoryLedger(), Leases(), []
    claims, render = [Claim(uuid4(), 1) for _ in range(3)], RenderClaim(uuid4(), 2)
    leases.hold(claims)
    leases.hold_render(render)
    nothing: frozenset[Claim] = frozenset()
    ledger.renewal = Renewal(frozenset(claims[:2]), frozenset(claims[2:]), frozenset(claims[:1]), nothing)
    ledger.renders_kept = frozenset()
    signs: list[int] = []

    make_heartbeat(ledger, leases, events, sign_in=lambda: signs.append(1)).beat()

    (event,) = events
    assert isinstance(event, LeasesRenewed)
    assert (event.renewal, event.renders_lost) == (ledger.renewal, {render})
    assert len(ledger.renewed) == 1
    assert sorted(ledger.renewed[0]) == sorted(claims)
    assert signs == [1]


def test_a_heartbeat_without_leases_only_signs_in():
    ledger, events, signs = MemoryLedger(), [], []

    make_heartbeat(ledger, Leases(), events, sign_in=lambda: signs.append(1)).beat()

    assert (events, ledger.renewed, signs) == ([], [], [1])


def test_a_ring_hastens_the_heartbeat_of_few_leases_only():
    ledger, leases, events = MemoryLedger(), Leases(), []
    heartbeat = make_heartbeat(ledger, leases, events)
    triggers: list[int] = []
    heartbeat._task.trigger = lambda: triggers.append(1)  # type: ignore[method-assign]

    heartbeat.hasten()
    leases.hold([Claim(uuid4(), 1)])
    heartbeat.hasten()
    leases.hold([Claim(uuid4(), 1) for _ in range(HASTE_LIMIT)])
    heartbeat.hasten()

    assert triggers == [1]
