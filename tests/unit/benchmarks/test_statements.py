"""The process that runs a no-op's statements alone: its schedule, and a replay that does again what was recorded."""

from collections import Counter
from contextlib import closing

from benchmarks.statements import (
    Counts,
    GroupSizes,
    Process,
    Sample,
    make_schedule,
    measure_calls,
    measure_statements,
)
from tests.support.ledgers import MANIFEST

from grid.database.engine import create_database

SIZES = GroupSizes(stored=2.5, claimed=7.0, concluded=5.0)
SAMPLE = Sample({"payload_bytes": 16}, MANIFEST, {"batch_jobs": 7}, "noop: slept 0 s\n")


def test_a_schedule_has_every_job_once_in_each_kind_of_transaction_and_none_before_its_time():
    steps = make_schedule(100, SIZES)

    done = Counter()
    for kind, count in steps:
        done[kind] += count
        assert done["store"] >= done["claim"] >= done["conclude"]
    assert done == {"store": 100, "claim": 100, "conclude": 100}
    groups = Counter(kind for kind, _ in steps)
    assert groups == {"store": 40, "claim": 14, "conclude": 20}


def test_the_sizes_of_groups_are_read_from_the_tables(databases):
    with closing(create_database(databases.make_migrated())) as database:
        process = Process(database, SAMPLE)
        before = Counts.of(database)
        process.run(make_schedule(20, GroupSizes(2, 5, 10)), iter(process.make_submissions(20)))

        sizes = Counts.of(database).sizes_since(before)

    assert (sizes.claimed, sizes.concluded) == (5.0, 10.0)
    assert sizes.stored >= 2.0  # SQLite tells milliseconds: two transactions may have one time


def test_calls_and_replayed_statements_carry_all_jobs_through(databases):
    assert min(measure_calls(databases, SIZES, SAMPLE, jobs=20)) > 0
    assert measure_statements(databases, SIZES, SAMPLE, jobs=20) > 0  # raises where the replay left anything undone
