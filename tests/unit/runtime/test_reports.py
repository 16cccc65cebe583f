"""The socket between a watchdog and its supervisor: reports in order, kept while nobody reads, and the end seen."""

import socket

import pytest

from grid.runtime.reports import Reports


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reports = Reports(theirs.detach())
    yield reports, ours
    ours.close()
    reports.socket.close()


def test_reports_come_in_order_and_commands_too(ends):
    reports, supervisor = ends
    reports.send({"type": "log", "text": "é"})
    reports.send({"type": "ended"})
    supervisor.send(b'"cancel"')

    assert [supervisor.recv(100) for _ in range(2)] == [b'{"type": "log", "text": "\\u00e9"}', b'{"type": "ended"}']
    assert (reports.receive(), reports.receive(), reports.is_gone) == ("cancel", None, False)


def test_what_nobody_reads_is_kept_and_sent_later(ends):
    reports, supervisor = ends
    large = {"text": "x" * 50_000}
    sent = 0
    while reports.has_room:
        reports.send(large)
        sent += 1
        assert sent < 1000, "a socket takes only so much"
    for _ in range(sent):
        reports.flush()
        assert len(supervisor.recv(100_000)) > 50_000
    assert not reports.unsent


def test_a_supervisor_that_is_gone_gets_nothing_more(ends):
    reports, supervisor = ends
    supervisor.close()

    assert (reports.receive(), reports.is_gone) == (None, True)
    reports.send({"type": "ended"})
    reports.flush_before_exit()
    assert not reports.unsent
