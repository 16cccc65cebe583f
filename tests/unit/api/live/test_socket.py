"""The one WebSocket: who is let in, what is told of which run, and how it ends."""

import json
import time
from uuid import uuid4

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from tests.support import live_runs
from tests.unit.api.live.conftest import LIVE, TICKETS

from grid.api import stream_places
from grid.api.live import credit, socket
from grid.database.live_events import NewLiveEvent
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.live import CommandKind, EventOrigin
from grid.services import live

pytestmark = pytest.mark.jit
HALF = FrameRequest(level=1)


def happen(uow, claim, *ticks):
    """Store events of a run."""
    events = [NewLiveEvent(tick, 64 * tick, "yield", {"cell": tick}, str(tick)) for tick in ticks]
    assert live.record_events(uow, claim, events) is not None


def finish(uow, claim):
    live_runs.send(uow, claim.run_id, CommandKind.STOP)
    live.conclude_run(uow, claim, {"files": []}, tick=100)


# --- who is let in


@pytest.mark.parametrize("query", ["?token=abc", "?ticket=abc", "?x"])
def test_a_ticket_in_the_address_is_refused(anonymous, query):
    with (
        pytest.raises(WebSocketDenialResponse) as refusal,
        anonymous.websocket_connect(LIVE + query, subprotocols=["grid.v1"]),
    ):
        pass

    assert refusal.value.status_code == 400
    assert "abc" not in refusal.value.text


@pytest.mark.parametrize("offered", [[], ["grid.v2"], ["mqtt", "soap"]])
def test_another_protocol_is_refused(anonymous, offered):
    with pytest.raises(WebSocketDenialResponse) as refusal, anonymous.websocket_connect(LIVE, subprotocols=offered):
        pass

    assert refusal.value.status_code == 400


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_a_foreign_page_opens_no_socket(connect_viewer, headers):
    with pytest.raises(WebSocketDisconnect) as refusal, connect_viewer(headers=headers):
        pass

    assert refusal.value.code == 1008


def test_who_shows_a_ticket_is_welcome_once(alice, connect_viewer):
    ticket = alice.post(TICKETS).json()["ticket"]
    with connect_viewer() as viewer:
        assert viewer.socket.accepted_subprotocol == "grid.v1"
        viewer.say("hello", ticket=ticket)
        welcome = viewer.hear()
        assert welcome["type"] == "welcome"
        assert welcome["user"] == {"id": str(alice.user_id), "username": "alice"}
    with connect_viewer() as viewer:
        viewer.say("hello", ticket=ticket)
        assert viewer.hear_end() == 4401


def test_nothing_is_answered_before_a_good_ticket(connect_viewer):
    firsts = [
        {"type": "hello"}, {"type": "hello", "ticket": 1}, {"type": "hello", "ticket": "grid_st_" + "A" * 43},
        {"type": "ping", "t": 1}, {"type": "sub", "id": 1, "topic": "run:x:frames"}, {"type": "?"},
    ]  # fmt: skip
    for first in firsts:
        with connect_viewer() as viewer:
            viewer.socket.send_text(json.dumps(first))
            with pytest.raises(WebSocketDisconnect) as end:
                viewer.hear()
        assert end.value.code == 4401, first


def test_who_says_nothing_is_let_go(connect_viewer, monkeypatch):
    monkeypatch.setattr(socket, "HELLO_S", 0.05)
    with connect_viewer() as viewer:
        assert viewer.hear_end() == 4401


def test_streams_of_a_user_are_limited_and_given_back(alice, bob, view, monkeypatch):
    monkeypatch.setattr(stream_places, "MAX_STREAMS_PER_USER", 2)
    spare = alice.post(TICKETS).json()["ticket"]
    with view(alice), view(alice):
        assert alice.post(TICKETS).status_code == 429
        with view(bob) as other:
            other.say("ping", t=1)
            assert other.hear()["type"] == "pong"
    with view(alice) as viewer:
        viewer.say("ping")
        assert viewer.hear() | {"server": 0} == {"type": "pong", "t": None, "server": 0}
    assert spare


def test_a_server_that_is_full_says_so(connect_viewer, monkeypatch):
    monkeypatch.setattr(stream_places, "MAX_STREAMS", 0)
    with pytest.raises(WebSocketDenialResponse) as refusal, connect_viewer():
        pass

    assert refusal.value.status_code == 429


def test_a_ticket_of_before_the_limit_is_no_way_around_it(alice, view, connect_viewer, monkeypatch):
    monkeypatch.setattr(stream_places, "MAX_STREAMS_PER_USER", 1)
    spare = alice.post(TICKETS).json()["ticket"]
    with view(alice), connect_viewer() as viewer:
        viewer.say("hello", ticket=spare)
        assert viewer.hear()["reason"] == "too-many-streams"
        assert viewer.hear_end() == 4401


# --- subscriptions


def test_what_is_not_yours_is_not_found(bob, administrator, claim, view):
    with view(bob) as viewer:
        for what in ("frames", "metrics", "events"):
            for run_id in (claim.run_id, uuid4()):
                viewer.sub(run_id, what, what, all=True)
                assert viewer.hear() == {"type": "end", "sub": what, "reason": "not-found"}
    with view(administrator) as viewer:
        viewer.sub(claim.run_id, "events")
        assert viewer.hear()["reason"] == "not-found"
        viewer.sub(claim.run_id, "events", all=True)
        viewer.say("ping")
        assert viewer.hear()["type"] == "pong"


def test_a_subscription_outside_its_limits_names_field_and_limit(alice, claim, view):
    wrong = [
        ("frames", {"field": "pressure"}, "field"),
        ("frames", {"level": 3}, "level"),
        ("frames", {"codec": "gzip"}, "codec"),
        ("frames", {"region": [[5, 4]]}, "region"),
        ("frames", {"max_hz": 31}, "max_hz"),
        ("metrics", {"max_hz": 11}, "max_hz"),
        ("metrics", {"max_hz": "2"}, "max_hz"),
        ("metrics", {"after": -1}, "after"),
        ("events", {"after": 0.5}, "after"),
        ("everything", {}, "topic"),
    ]
    with view(alice) as viewer:
        for what, members, field in wrong:
            viewer.sub(claim.run_id, what, **members)
            end = viewer.hear()
            assert (end["type"], end["sub"], end["reason"], end["field"]) == ("end", "a", "invalid", field)
            assert end["detail"].startswith(f"{field}: ")


def test_what_is_no_message_is_told_so_and_ends_nothing(alice, view):
    texts = [
        "", "x", "[]", "{}", '{"type": "?"}', '{"type":"ping","type":"ping"}', '{"type": "grant", "id": []}',
        '{"type": "sub", "id": ""}', '{"type": "ping", "t": [1]}', '{"type": "sub", "id": "' + 65 * "x" + '"}',
        '{"type": "ping", "t": NaN}', '{"type": "ping", "t": "' + 20_000 * "x" + '"}',
    ]  # fmt: skip
    with view(alice) as viewer:
        for text in texts:
            viewer.socket.send_text(text)
            said = viewer.hear()
            assert (said["type"], said["sub"], said["kind"]) == ("notice", None, "invalid"), text
            assert said["detail"], text
        viewer.socket.send_bytes(b"\0")
        assert viewer.hear()["kind"] == "invalid"
        viewer.say("ping", t=5)
        assert viewer.hear()["t"] == 5


def test_names_of_subscriptions_and_fields_of_a_run_are_used_once_and_are_limited(alice, claim, view, monkeypatch):
    monkeypatch.setattr(socket, "MOST_SUBS", 2)
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "frames")
        viewer.sub(claim.run_id, "events")
        assert viewer.hear()["field"] == "id"
        viewer.sub(claim.run_id, "frames", "b", level=1)
        assert viewer.hear()["field"] == "field"
        viewer.sub(claim.run_id, "frames", "b", field="stress")
        viewer.sub(claim.run_id, "frames", "c", field="damage")
        assert viewer.hear()["reason"] == "too-many-subscriptions"
        viewer.say("unsub", id="a")
        viewer.sub(claim.run_id, "frames", "a", field="damage")
        viewer.say("ping")
        assert viewer.hear()["type"] == "pong"


# --- frames


def test_frames_come_as_they_are_and_the_next_ones_with_their_grants(alice, view, owner):
    with view(alice) as viewer:
        viewer.sub(owner.run_id, "frames", level=1, codec="none")
        owner.wait_for(FrameRequest(level=1, codec="none"))
        owner.show(1)
        first = viewer.hear()
        assert (first.header.tick, first.header.level, first.codes.shape) == (1, 1, (8, 8))
        time.sleep(0.04)
        owner.show(2)  # not shown: the first has not been granted, and nothing was taken yet
        viewer.say("ping")
        assert viewer.hear("pong", "frame")["type"] == "pong"
        viewer.say("grant", id="a", seq=first.header.frame)
        assert viewer.hear("frame").header.tick == 2


def test_who_comes_later_gets_the_newest_frame_at_once_and_the_same_bytes(alice, view, owner):
    with view(alice) as first, view(alice) as second:
        first.sub(owner.run_id, "frames", level=1)
        owner.wait_for(HALF)
        owner.show(1)
        header = first.hear("frame").header
        second.sub(owner.run_id, "frames", level=1)
        assert second.hear("frame").header == header
        assert len(owner.wanted) == 1


def test_a_viewer_that_does_not_keep_up_is_told_and_gets_the_next_level(alice, view, owner):
    with view(alice) as viewer:
        viewer.sub(owner.run_id, "frames")
        owner.wait_for(FrameRequest())
        for tick in range(1, 6):
            owner.show(tick)
            time.sleep(0.04)
        first = viewer.hear("frame")
        notice = viewer.hear("notice")
        assert notice == {"type": "notice", "sub": "a", "kind": "slow", "level": 1, "max_hz": 30.0, "skipped": 3}
        owner.wait_for(HALF)
        viewer.say("grant", id="a", seq=first.header.frame)
        owner.show(9)
        assert viewer.hear("frame").header.level == 1


def test_a_picture_that_stays_the_same_is_told(alice, view, owner):
    with view(alice) as viewer:
        viewer.sub(owner.run_id, "frames", level=1)
        owner.wait_for(HALF)
        owner.show(1)
        viewer.hear("frame")
        owner.tell("on_same", HALF, 7, 1234)
        assert viewer.hear() == {"type": "notice", "sub": "a", "kind": "same", "tick": 7, "computed_ms": 1234}


def test_a_frame_that_is_too_large_is_shown_at_the_next_level_and_what_cannot_be_shown_ends(alice, view, owner):
    with view(alice) as viewer:
        viewer.sub(owner.run_id, "frames")
        owner.wait_for(FrameRequest())
        owner.tell("on_refused", FrameRequest(), "level: one at which a frame has at most 8 MiB")
        assert viewer.hear("notice")["level"] == 1
        owner.wait_for(HALF)
        owner.tell("on_refused", HALF, "field: this run does not have it")
        end = viewer.hear()
        assert (end["reason"], end["field"]) == ("invalid", "field")
        owner.wait_for()


def test_viewers_are_told_how_many_others_look(alice, administrator, view, owner):
    with view(alice) as first:
        first.sub(owner.run_id, "frames")
        first.sub(owner.run_id, "frames", "b", field="stress")  # of one socket: nobody else
        owner.wait_for(FrameRequest(), FrameRequest("stress"))
        with view(administrator) as second:
            second.sub(owner.run_id, "frames", all=True)
            said = [first.hear("notice") for _ in range(2)] + [second.hear("notice")]
            assert {(one["kind"], one["others"]) for one in said} == {("viewers", 1)}
            assert {one["sub"] for one in said[:2]} == {"a", "b"}
        assert {first.hear("notice")["others"] for _ in range(2)} == {0}


def test_pause_and_end_of_the_run_are_told(alice, view, owner, uow, claim):
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "frames")
        owner.wait_for(FrameRequest())
        live.pause_run(uow, claim)
        notice = viewer.hear()
        assert (notice["kind"], notice["run"]["status"]) == ("paused", "paused")
        live.continue_run(uow, claim)
        assert viewer.hear()["kind"] == "resumed"
        finish(uow, claim)
        end = viewer.hear()
        assert (end["type"], end["reason"], end["run"]["status"]) == ("end", "stopped", "stopped")


def test_the_run_is_followed_no_longer_once_nobody_looks(alice, view, owner, bus, portal):
    with view(alice) as viewer:
        viewer.sub(owner.run_id, "frames")
        owner.wait_for(FrameRequest())
        viewer.say("unsub", id="a")
        end = time.monotonic() + 20
        while portal.call(bus.of_run, owner.run_id):
            assert time.monotonic() < end
            time.sleep(0.002)
        viewer.sub(owner.run_id, "frames")
        owner.wait_for(FrameRequest())
    while portal.call(bus.of_run, owner.run_id):
        assert time.monotonic() < end
        time.sleep(0.002)


def test_news_of_events_are_asked_for_only_while_somebody_reads_events(alice, view, owner, bus, portal):
    def is_asked():
        return [feed.events for feed in portal.call(bus.of_run, owner.run_id)]

    with view(alice) as viewer:
        viewer.sub(owner.run_id, "frames")
        owner.wait_for(FrameRequest())
        assert is_asked() == [False]
        viewer.sub(owner.run_id, "events", "b")
        viewer.hear("event")
        assert is_asked() == [True]
        viewer.say("unsub", id="b")
        viewer.say("ping")
        viewer.hear("pong")
        portal.call(lambda: None)
        assert is_asked() == [False]


# --- events and metrics


def test_events_come_from_the_tables_then_as_they_happen_each_once_and_in_order(alice, view, uow, claim):
    happen(uow, claim, *range(110))  # more than a page
    known = [event.n for event in live.read_events(uow, owner_id=None, run_id=claim.run_id)]
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "events")
        heard = [viewer.hear() for _ in known]
        happen(uow, claim, 250, 251)
        heard += [viewer.hear() for _ in range(2)]
        assert [one["id"] for one in heard] == [*known, known[-1] + 1, known[-1] + 2]
        assert [one["data"]["payload"]["cell"] for one in heard[-2:]] == [250, 251]
        finish(uow, claim)
        end = viewer.hear("end")
        assert (end["reason"], end["run"]["status"]) == ("stopped", "stopped")


@pytest.mark.parametrize("way", ["after", "resume"])
def test_events_go_on_behind_the_last_that_is_known(alice, view, uow, claim, way):
    happen(uow, claim, *range(10))
    last = live.read_events(uow, owner_id=None, run_id=claim.run_id)[4].n
    resume = {f"run:{claim.run_id}:events": last} if way == "resume" else {}
    with view(alice, resume=resume) as viewer:
        viewer.sub(claim.run_id, "events", **({"after": last} if way == "after" else {}))
        assert viewer.hear()["id"] == last + 1


def test_metrics_come_from_the_bus_at_the_rate_that_was_asked_for_and_lose_no_peak(alice, view, owner, uow, claim):
    with view(alice) as viewer:
        viewer.sub(owner.run_id, "metrics", max_hz=10)
        owner.sample(3, highest=300.0)
        first = viewer.hear()
        assert (first["id"], first["data"]["time_s"]) == (3, 3 / 32)
        assert first["data"]["metrics"] == {"highest": [300.0] * 4, "ratio": [1.0] * 4}
        for tick, value in ((6, 900.0), (9, 310.0)):
            owner.sample(tick, highest=value)
        second = viewer.hear()
        assert (second["id"], second["data"]["first_tick"]) == (9, 5)
        assert second["data"]["metrics"]["highest"] == [310.0, 900.0, 605.0, 310.0]
        finish(uow, claim)
        assert viewer.hear()["type"] == "end"


def test_metrics_that_were_missed_come_from_rows_after_a_gap_where_nothing_is_left(alice, view, uow, claim):
    rows = tuple(live_runs.sample(5, place, float(place)) for place in range(4, 8))
    live.write_looks(uow, [live.Look(claim, 255, samples=rows)])
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "metrics", after=160)
        assert [viewer.hear()["id"] for _ in range(3)] == [192, 224, 256]
        viewer.sub(claim.run_id, "metrics", "b", after=32)
        assert viewer.hear() == {"type": "gap", "sub": "b", "after": 32, "next": 128}
        assert viewer.hear()["data"]["metrics"]["lowest"] == [4.0] * 4


def test_metrics_come_from_rows_while_no_owner_is_connected(alice, view, uow, claim, monkeypatch):
    monkeypatch.setattr("grid.api.live.hub.ROWS_S", 0.02)
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "metrics", max_hz=10)
        viewer.say("ping")
        viewer.hear("pong")
        live.write_looks(uow, [live.Look(claim, 31, samples=(live_runs.sample(5, 0, 7.0),))])
        event = viewer.hear()
        assert (event["id"], event["data"]["metrics"]["highest"]) == (32, [7.0] * 4)


# --- the end of a socket


def test_the_end_of_the_session_ends_every_subscription_and_the_socket(alice, view, claim, monkeypatch):
    monkeypatch.setattr(socket, "SESSION_S", 0.05)
    monkeypatch.setattr(socket, "LOOK_S", 0.02)
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "events")
        assert alice.post("/api/v1/auth/logout").status_code == 204
        assert viewer.hear("end") == {"type": "end", "sub": "a", "reason": "expired"}
        assert viewer.hear_end() == 4401


def test_a_session_near_its_end_is_renewed_by_a_new_ticket_of_the_same_user(alice, bob, view, monkeypatch):
    monkeypatch.setattr(socket, "SESSION_S", 0.02)
    monkeypatch.setattr(socket, "LOOK_S", 0.02)
    monkeypatch.setattr(socket, "RENEW_S", 1e9)
    with view(alice) as viewer:
        assert viewer.hear() == {"type": "renew"}
        viewer.say("renew", ticket=alice.post(TICKETS).json()["ticket"])
        assert viewer.hear()["type"] == "welcome"
        viewer.say("renew", ticket=bob.post(TICKETS).json()["ticket"])
        assert viewer.hear_end() == 4401


def test_a_viewer_that_grants_nothing_is_closed(alice, view, owner, monkeypatch):
    monkeypatch.setattr(credit, "STALLED_S", 0.1)
    monkeypatch.setattr(socket, "LOOK_S", 0.02)
    with view(alice) as viewer:
        viewer.sub(owner.run_id, "frames")
        owner.wait_for(FrameRequest())
        owner.show(1)
        assert viewer.hear_end() == 4408


def test_a_server_that_restarts_says_so(alice, view, claim, app, portal):
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "events")
        viewer.say("ping")
        viewer.hear("pong")
        portal.call(app.state.live_hub.close)
        assert viewer.hear_end() == 1012


def test_a_flood_of_messages_is_read_at_a_rate_and_loses_nothing(alice, view, monkeypatch):
    monkeypatch.setattr(socket, "MESSAGES_AT_ONCE", 20.0)
    with view(alice) as viewer:
        started = time.monotonic()
        for number in range(120):
            viewer.say("ping", t=number)
        assert [viewer.hear()["t"] for _ in range(120)] == list(range(120))
        assert time.monotonic() - started > 0.4


def test_events_of_the_wall_are_told_as_well(alice, view, uow, claim):
    live.record_events(uow, claim, [NewLiveEvent(1, 64, "slip", {"slips": 1}, "pace", EventOrigin.WALL)])
    with view(alice) as viewer:
        viewer.sub(claim.run_id, "events")
        assert viewer.hear()["data"]["origin"] == "wall"
