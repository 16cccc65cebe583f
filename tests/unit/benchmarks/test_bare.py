"""The bare route and its load: one insert a request, committed before the answer."""

from contextlib import closing
from uuid import uuid4

import pytest
from benchmarks.bare import open_store, running_bare
from benchmarks.load import Endpoint, call_at_rate, call_in_turn
from sqlalchemy import create_engine, text

JOB = b'{"simulation": "noop", "params": {"payload_bytes": 1024}}'
SWEEP = b'{"simulation": "noop", "sweep": [{}, {}, {}]}'


def count_rows(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        count = connection.execute(text("SELECT count(*) FROM bare_jobs")).scalar_one()
    engine.dispose()
    return count


def test_each_request_of_each_client_is_one_row_and_a_sweep_one_of_each_point(databases):
    with running_bare(databases) as bare:
        load = call_in_turn(Endpoint(bare.port, "/jobs", JOB), clients=3, requests=9)
        at_rate = call_at_rate(Endpoint(bare.port, "/jobs", JOB), per_s=100, seconds=0.05)
        assert count_rows(bare.url) == 14
        sweep = call_in_turn(Endpoint(bare.port, "/sweeps", SWEEP), clients=1, requests=1)
        assert count_rows(bare.url) == 17
        with pytest.raises(RuntimeError, match="404"):
            call_in_turn(Endpoint(bare.port, "/nowhere", JOB), clients=1, requests=1)

    assert len({one["job"] for one in load.answers + at_rate.answers}) == 14
    assert (len(load.latencies), len(sweep.answers[0]["jobs"])) == (9, 3)
    assert at_rate.seconds >= 0.04


def test_rows_are_inserted_all_or_none(databases):
    twice = (uuid4(), "noop", "{}")
    with closing(open_store(databases.make())) as store:
        store.create()

        with pytest.raises(Exception, match=r"(?i)unique"):
            store.insert([(uuid4(), "noop", "{}"), twice, twice])
        store.insert([twice])
