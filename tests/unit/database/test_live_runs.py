import pytest
import sqlalchemy as sa
from sqlalchemy import insert, text, update
from sqlalchemy.exc import IntegrityError
from tests.support import live_runs as words
from tests.support.ledgers import add_owner

from grid.database import migrate
from grid.database.live_commands import live_commands
from grid.database.live_events import live_events
from grid.database.live_runs import live_runs
from grid.database.live_samples import Sample, live_samples
from grid.database.live_snapshots import live_snapshots
from grid.database.windows import Window
from grid.schemas.live import RUN_LEASED, RUN_TERMINAL, CommandKind, RunReason, RunState
from grid.services import live

LEASE = ("lease_owner", "lease_until", "heartbeat_at", "claimed_at")


@pytest.fixture
def owner(uow):
    return add_owner(uow)


def change(uow, run_id, table=live_runs, **values):
    column = table.c.id if table is live_runs else table.c.run_id
    with uow.begin() as tx:
        if table is live_runs and "version" not in values:
            values["version"] = live_runs.c.version + 1
        tx.connection.execute(update(table).where(column == run_id).values(**values))


@pytest.mark.parametrize("state", list(RunState))
def test_lease_columns_are_set_in_exactly_the_states_that_somebody_holds(uow, owner, state):
    claim = words.into(uow, owner, state)
    run = words.get(uow, claim.run_id)

    assert {name: getattr(run, name) is not None for name in LEASE} == dict.fromkeys(LEASE, state in RUN_LEASED)
    for name in LEASE:
        opposite = None if state in RUN_LEASED else ("w" if name == "lease_owner" else run.created_at)
        with pytest.raises(IntegrityError):
            change(uow, run.id, **{name: opposite})


@pytest.mark.parametrize("state", sorted(RUN_TERMINAL))
def test_a_terminal_run_never_changes(uow, owner, state):
    run_id = words.into(uow, owner, state).run_id

    for values in ({"tick": 10**6}, {"state": RunState.QUEUED}, {"message": "x"}, {"next_event": 99}, {"name": "x"}):
        with pytest.raises(IntegrityError):
            change(uow, run_id, **values)


def test_what_a_run_computes_never_changes(uow, owner):
    run_id = words.start(uow, owner).run_id

    for values in (
        {"scene": {}}, {"body": {}}, {"params": {"x": 1}}, {"tick_s": "1"}, {"steps_per_tick": 1}, {"method": "rkl2"},
        {"seed": 1}, {"rate": 1.0}, {"spec_hash": "0"}, {"numerics_version": "2"}, {"threads": 2},
        {"scenario": "burst"},
    ):  # fmt: skip
        with pytest.raises(IntegrityError):
            change(uow, run_id, **values)


def test_the_platform_is_written_once(uow, owner):
    claim = words.start(uow, owner)

    change(uow, claim.run_id, platform="cpu-1")
    with pytest.raises(IntegrityError):
        change(uow, claim.run_id, platform="cpu-2")


def test_the_database_refuses_a_row_that_contradicts_itself(uow, owner):
    claim = words.start(uow, owner)

    for values in (
        {"state": RunState.STOPPING},  # without a reason
        {"reason": RunReason.OK},  # of a run that goes on
        {"state": RunState.FAILED, "reason": RunReason.OOM},  # without an end
        {"winning_epoch": 1},  # without a result
        {"speed": 101.0},
        {"speed": 0.01},
        {"losses": 4},
        {"wanted": "perhaps"},
        {"parent_tick": 3},
        {"state": RunState.RUNNING, "version": 1},
        {"epoch": 0},
        {"tick": -1},
        {"next_seq": 0},
    ):
        with pytest.raises(IntegrityError):
            change(uow, claim.run_id, **values)


def test_numbers_of_a_run_only_grow(uow, owner):
    run_id = words.submit(uow, owner).id

    for name in ("tick", "next_seq", "next_event", "dropped_events"):
        change(uow, run_id, **{name: 5})
        with pytest.raises(IntegrityError):
            change(uow, run_id, **{name: 4})


def test_a_command_keeps_its_payload_and_gets_its_tick_and_outcome_once(uow, owner):
    claim = words.start(uow, owner)
    words.send(uow, claim.run_id)

    for values in ({"payload": {}}, {"client_id": "x"}, {"kind": CommandKind.STOP}, {"at_s": 1.0}, {"seq": 2}):
        with pytest.raises(IntegrityError):
            change(uow, claim.run_id, live_commands, **values)
    change(uow, claim.run_id, live_commands, tick=7)
    change(uow, claim.run_id, live_commands, tick=7)
    for tick in (8, None):
        with pytest.raises(IntegrityError):
            change(uow, claim.run_id, live_commands, tick=tick)
    done = {"outcome": "applied", "effective": {"tick": 7}, "applied_at": words.get(uow, claim.run_id).created_at}
    change(uow, claim.run_id, live_commands, **done)
    with pytest.raises(IntegrityError):
        change(uow, claim.run_id, live_commands, **{**done, "effective": {"tick": 8}})


def test_an_outcome_needs_a_tick_and_a_time(uow, owner):
    claim = words.start(uow, owner)
    words.send(uow, claim.run_id)

    for values in ({"outcome": "applied", "tick": 1}, {"reason": "no"}, {"outcome": "perhaps", "tick": 1}):
        with pytest.raises(IntegrityError):
            change(uow, claim.run_id, live_commands, **values)


def test_events_never_change_and_of_a_snapshot_only_the_pin(uow, owner):
    claim = words.start(uow, owner)
    one, _ = words.snapshot(uow, claim)

    with pytest.raises(IntegrityError):
        change(uow, claim.run_id, live_events, payload={})
    for values in ({"tick": 9}, {"key": "x"}, {"sha256": "x"}, {"epoch": 2}):
        with pytest.raises(IntegrityError):
            change(uow, claim.run_id, live_snapshots, **values)
    live.pin_snapshot(uow, owner_id=owner, run_id=claim.run_id, snapshot_id=one)
    with uow.read() as tx:
        assert tx.live_snapshots.find(claim.run_id, one).pinned


def test_the_engine_says_one_thing_once(uow, owner):
    claim = words.start(uow, owner)
    row = {
        "run_id": claim.run_id, "tick": 5, "step": 320, "kind": "yield", "key": "(1, 2)", "payload": {},
        "created_at": words.get(uow, claim.run_id).created_at,
    }  # fmt: skip

    def add(n, origin):
        with uow.begin() as tx:
            tx.connection.execute(insert(live_events).values(n=n, origin=origin, **row))

    add(101, "engine")
    add(102, "wall")
    add(103, "wall")
    with pytest.raises(IntegrityError):
        add(104, "engine")


@pytest.mark.parametrize("sample", [Sample(41, 0, b"0" * 64), Sample(0, -1, b"0" * 64), Sample(0, 0, b"")])
def test_samples_have_a_level_a_place_and_metrics(uow, owner, sample):
    run_id = words.submit(uow, owner).id

    with pytest.raises(IntegrityError), uow.begin() as tx:
        tx.live_samples.put(run_id, [sample])


def test_a_run_is_removed_with_all_that_belongs_to_it(uow, owner):
    claim = words.into(uow, owner, RunState.STOPPED)
    other = words.start(uow, owner)
    with uow.begin() as tx:
        tx.live_samples.put(claim.run_id, [Sample(0, 0, b"0" * 64)])
        assert tx.live_runs.remove(claim.run_id)
        assert not tx.live_runs.remove(claim.run_id)
        assert not tx.live_runs.remove(other.run_id)
        for table in (live_commands, live_events, live_samples, live_snapshots):
            left = sa.select(sa.func.count()).select_from(table).where(table.c.run_id == claim.run_id)
            assert tx.connection.execute(left).scalar_one() == 0


def test_a_list_by_cursor_reads_each_run_once(uow, owner):
    bob = add_owner(uow, "bob")
    ids = [words.submit(uow, owner if index % 3 else bob).id for index in range(9)]
    seen, after = [], None
    with uow.read() as tx:
        while True:
            part, after = tx.live_runs.read_window(Window(2, None, after), owner_id=owner)
            seen += [run.id for run in part]
            if after is None:
                break

    assert seen == [run_id for index, run_id in enumerate(ids) if index % 3][::-1]


def test_rows_before_the_revision_of_live_runs_outlive_it(database_url):
    """A database of revision 0001 with a job in it goes up, down, and up again."""
    from tests.support.ledgers import get_job, submit

    from grid.database.engine import create_database
    from grid.database.uow import UnitOfWork

    migrate.move(database_url, "base")
    migrate.move(database_url, "0001")
    database = create_database(database_url)
    try:
        uow = UnitOfWork(database)
        with database.engine.begin() as connection:  # lent: this version's insert names a column of revision 0008
            connection.execute(text("ALTER TABLE jobs ADD COLUMN traceparent VARCHAR(55)"))
        (job_id,) = submit(uow, add_owner(uow))
        with database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE jobs DROP COLUMN traceparent"))
            assert "live_runs" not in sa.inspect(connection).get_table_names()
        migrate.upgrade(database_url)
        job = get_job(uow, job_id)
        assert (job.version, job.traceparent) == (1, None)
        with uow.read() as tx:
            assert tx.connection.execute(text("SELECT count(*) FROM live_runs")).scalar_one() == 0
    finally:
        database.close()
