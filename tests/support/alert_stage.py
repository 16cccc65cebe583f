"""A running run with its alerts, evaluated by a loop whose clock the test turns."""

from contextlib import contextmanager

from tests.support import live_runs as words
from tests.support.alert_words import alerts_of, rule_of, sample_row
from tests.support.databases import HandClock, opened
from tests.support.ledgers import add_owner

from grid.database.uow import UnitOfWork
from grid.services import live
from grid.services.alerts.loop import AlertLoop
from grid.services.live import Look


class Stage:
    """A running run, its loop, and a clock."""

    def __init__(self, uow, clock, **more):
        self.more = more
        self.uow, self.clock, self.owner = uow, clock, add_owner(uow)
        self.held = words.start(uow, self.owner)
        live.renew_leases(uow, [self.held], worker_id="worker-1", lease_s=1e6)  # its worker lives
        self.restart()
        self.tick = 0

    def restart(self):
        """What a server that starts anew knows: nothing."""
        self.loop = AlertLoop(self.uow, **self.more)

    def turn(self, seconds=1.0):
        self.clock.advance(seconds)
        self.loop.take_turn()

    def sample(self, **metrics):
        """Write what the worker writes once a second."""
        self.tick += 32
        row = sample_row(5, self.tick // 32 - 1, **metrics)
        assert live.write_looks(self.uow, [Look(self.held, self.tick, samples=(row,))])

    def ticks(self, seconds, **metrics):
        """Tick on for so many seconds, evaluated after each."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.sample(**metrics)
            self.loop.take_turn()

    def state(self, rule):
        return rule_of(self.uow, self.held, rule)

    def alerts(self):
        return {alert.rule: alert for alert in alerts_of(self.uow, self.held)}

    def transitions(self, rule):
        with self.uow.read() as tx:
            rows = tx.alerts.transitions(self.held.run_id, rule)
        return [(row.before, row.after) for row in rows]


@contextmanager
def staged(maker, folder, **more):
    clock = HandClock()
    with opened(maker, folder, clock) as database:
        yield Stage(UnitOfWork(database), clock, **more)
