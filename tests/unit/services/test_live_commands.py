import json
from dataclasses import replace

import pytest
from tests.support import live_runs as words
from tests.support.databases import HandClock, opened
from tests.support.ledgers import add_owner
from tests.support.live_runs import BURST, commands, send

from grid.core.errors import FieldError, NotFoundError, TooManyRequestsError
from grid.core.ids import new_id
from grid.database.live_commands import CommandSettlement
from grid.database.uow import UnitOfWork
from grid.schemas.live import RUN_COMMANDABLE, CommandKind, RunReason, RunState
from grid.schemas.live_log import COMPARED_KINDS
from grid.services import audit, live
from grid.services.live import (
    ClientIdReusedError,
    CommandLimitError,
    CommandRequest,
    LiveLimits,
    PayloadTooLargeError,
    RulesVersionError,
    RunStateError,
    RunTooDearError,
)

K = CommandKind


@pytest.fixture
def owner(uow):
    return add_owner(uow)


def accept(uow, run_id, *requests, owner_id=None, limits=None):
    return commands(uow, limits).accept(requests, actor_id=owner_id, owner_id=owner_id, run_id=run_id)


def log_of(uow, run_id):
    with uow.read() as tx:
        return tx.live_commands.read(run_id)


def test_a_command_is_numbered_stored_audited_and_rung_for(uow, owner):
    run_id = words.start(uow, owner).run_id
    service = commands(uow)

    (answer,) = service.accept(
        [CommandRequest(K.EVENT, BURST, "mine", 2.0)], actor_id=owner, owner_id=owner, run_id=run_id
    )

    assert (answer.seq, answer.client_id, answer.is_repeated) == (1, "mine", False)
    (row,) = log_of(uow, run_id)
    assert (row.kind, row.payload, row.at_s, row.actor_id, row.tick, row.outcome) == (
        K.EVENT,
        BURST,
        2.0,
        owner,
        None,
        None,
    )
    assert service.doorbell.rings == [("live", run_id)]
    assert service.planner.checked == [K.EVENT]
    entry = max(audit.export(uow), key=lambda one: one["id"])  # over all chains
    assert (entry["action"], entry["subject"]) == ("run.command", f"run:{run_id}")


def test_the_same_command_is_stored_once_however_often_it_comes(uow, owner):
    run_id = words.start(uow, owner).run_id
    first = accept(uow, run_id, CommandRequest(K.EVENT, BURST, "a"))

    for _ in range(3):
        (again,) = accept(uow, run_id, CommandRequest(K.EVENT, dict(reversed(BURST.items())), "a"))
        assert (again.seq, again.is_repeated) == (first[0].seq, True)
    for other in (
        CommandRequest(K.EVENT, {**BURST, "power_w": 1.0}, "a"), CommandRequest(K.EVENT, BURST, "a", 1.0),
        CommandRequest(K.PAUSE, {}, "a"),
    ):  # fmt: skip
        with pytest.raises(ClientIdReusedError):
            accept(uow, run_id, other)
    assert len(log_of(uow, run_id)) == 1
    assert send(uow, words.start(uow, owner).run_id, client_id="a") == 1  # ids are of a run


def test_a_repetition_is_answered_after_the_end_of_the_run(uow, owner):
    run_id = words.submit(uow, owner).id
    seq = send(uow, run_id, K.STOP, client_id="end")

    (again,) = accept(uow, run_id, CommandRequest(K.STOP, {}, "end"))

    assert (again.seq, again.is_repeated) == (seq, True)
    with pytest.raises(RunStateError, match="stopped"):
        send(uow, run_id, K.STOP, client_id="another")


def test_several_commands_are_stored_in_their_order_or_not_at_all(uow, owner):
    run_id = words.start(uow, owner).run_id
    accept(uow, run_id, CommandRequest(K.EVENT, BURST, "old"))
    batch = [CommandRequest(K.EVENT, BURST, name) for name in ("b", "old", "c", "b")]

    answers = accept(uow, run_id, *batch)

    assert [(one.seq, one.is_repeated) for one in answers] == [(2, False), (1, True), (3, False), (2, True)]
    with pytest.raises(FieldError, match="position_m"):
        accept(uow, run_id, CommandRequest(K.EVENT, BURST), CommandRequest(K.EVENT, {**BURST, "position_m": [9.0]}))
    with pytest.raises(ClientIdReusedError):
        accept(uow, run_id, CommandRequest(K.EVENT, BURST, "d"), CommandRequest(K.EVENT, {"kind": "flow"}, "d"))
    assert [row.client_id for row in log_of(uow, run_id)] == ["old", "b", "c"]
    assert words.get(uow, run_id).next_seq == 4


@pytest.mark.parametrize("state", list(RunState))
def test_commands_are_taken_in_exactly_the_states_of_a_run_that_goes_on(uow, owner, state):
    run_id = words.into(uow, owner, state).run_id
    before = len(log_of(uow, run_id))

    if state in RUN_COMMANDABLE:
        send(uow, run_id)
    else:
        with pytest.raises(RunStateError, match=state.value):
            send(uow, run_id)
    assert len(log_of(uow, run_id)) == before + (state in RUN_COMMANDABLE)


@pytest.mark.parametrize("state", sorted(RUN_COMMANDABLE))
def test_a_stop_ends_a_run_that_nobody_holds_and_is_handed_to_whoever_holds_it(uow, owner, state):
    run_id = words.into(uow, owner, state).run_id
    waiting = send(uow, run_id)

    seq = send(uow, run_id, K.STOP, actor=owner)

    run = words.get(uow, run_id)
    held = state.is_leased
    assert (run.state, run.wanted, run.reason) == (
        RunState.STOPPING if held else RunState.STOPPED, "stop", RunReason.STOPPED_BY_USER,
    )  # fmt: skip
    outcomes = {row.seq: row.outcome for row in log_of(uow, run_id)}
    assert outcomes[waiting] == (None if held else "refused")
    assert outcomes[seq] == (None if held else "applied")
    assert run.result_manifest is None


def test_a_stop_by_somebody_else_says_so(uow, owner):
    run_id = words.submit(uow, owner).id

    send(uow, run_id, K.STOP, actor=add_owner(uow, "root"))

    assert words.get(uow, run_id).reason is RunReason.STOPPED_BY_ADMIN


def test_a_run_that_is_being_stopped_takes_a_second_stop_alone(uow, owner):
    """Its owner went while it wrote the result: the next one writes it, unless somebody does not want to wait."""
    claim = words.into(uow, owner, RunState.STOPPING)
    live.hand_back_runs(uow, [claim])
    assert words.get(uow, claim.run_id).state is RunState.INTERRUPTED

    for kind in (K.EVENT, K.RESUME, K.PAUSE):
        with pytest.raises(RunStateError, match="being stopped"):
            send(uow, claim.run_id, kind)
    send(uow, claim.run_id, K.STOP)

    assert words.get(uow, claim.run_id).state is RunState.STOPPED


def test_pause_resume_speed_model_and_rules_change_what_is_wanted(uow, owner):
    run_id = words.start(uow, owner).run_id

    def after(kind, payload=None):
        version = words.get(uow, run_id).version
        send(uow, run_id, kind, payload or {})
        run = words.get(uow, run_id)
        assert run.version == version + 1
        return run

    assert after(K.PAUSE).wanted == "pause"
    assert after(K.RESUME).wanted == "run"
    run = after(K.SPEED, {"speed": 2})
    assert (run.speed, run.load_share) == (2.0, pytest.approx(0.6))
    run = after(K.SPEED, {"speed": "max"})
    assert (run.speed, run.load_share) == (None, 0.25)
    assert after(K.MODEL, {"model": "lumped"}).model_policy == "lumped"
    assert after(K.RULES, {"rules": []}).rules_version == 1
    assert words.get(uow, run_id).state is RunState.RUNNING


def test_a_speed_that_costs_too_much_is_refused(uow, owner):
    run_id = words.start(uow, owner).run_id

    with pytest.raises(RunTooDearError, match="70 ticks a second"):
        send(uow, run_id, K.SPEED, {"speed": 3})


def test_rules_replace_those_that_the_sender_has_read(uow, owner):
    run_id = words.start(uow, owner).run_id
    send(uow, run_id, K.RULES, {"rules": []}, rules_version=0)

    with pytest.raises(RulesVersionError, match="version 1"):
        send(uow, run_id, K.RULES, {"rules": []}, rules_version=0)


def test_steps_are_for_a_pause(uow, owner):
    claim = words.start(uow, owner)
    with pytest.raises(RunStateError, match="pause it"):
        send(uow, claim.run_id, K.STEP, {"ticks": 1})
    send(uow, claim.run_id, K.PAUSE)

    send(uow, claim.run_id, K.STEP, {"ticks": 10_000})


def test_a_parked_run_takes_no_step_and_can_be_claimed_once_resumed(uow, owner):
    run_id = words.into(uow, owner, RunState.PARKED).run_id
    with pytest.raises(RunStateError):
        send(uow, run_id, K.STEP, {"ticks": 1})
    assert words.claim(uow) is None

    send(uow, run_id, K.RESUME)

    assert words.claim(uow).run.state is RunState.RESUMING


def test_only_an_event_of_the_run_is_ended(uow, owner):
    run_id, other = words.start(uow, owner).run_id, words.start(uow, owner).run_id
    burst = send(uow, run_id)
    pause = send(uow, run_id, K.PAUSE)

    send(uow, run_id, K.END_EVENT, {"seq": burst})

    for where, seq in ((run_id, pause), (run_id, 99), (other, burst)):
        with pytest.raises(NotFoundError):
            send(uow, where, K.END_EVENT, {"seq": seq})


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (K.SPEED, {}), (K.SPEED, {"speed": "fast"}), (K.SPEED, {"speed": 0.05}), (K.SPEED, {"speed": True}),
        (K.SPEED, {"speed": 1.0, "more": 1}), (K.STEP, {}), (K.STEP, {"ticks": 0}), (K.STEP, {"ticks": 10_001}),
        (K.STEP, {"ticks": 1.5}), (K.STEP, {"ticks": True}), (K.MODEL, {"model": "magic"}), (K.MODEL, {}),
        (K.RULES, {}), (K.RULES, {"rules": [{}] * 51}), (K.PAUSE, {"x": 1}), (K.END_EVENT, {"seq": 0}),
        (K.EVENT, {**BURST, "power_w": float("nan")}), (K.EVENT, {**BURST, "power_w": float("inf")}),
    ],
)  # fmt: skip
def test_payloads_outside_their_limits_are_refused(sqlite_uow, kind, payload):
    run_id = words.start(sqlite_uow, add_owner(sqlite_uow)).run_id

    with pytest.raises(FieldError):
        send(sqlite_uow, run_id, kind, payload)
    assert log_of(sqlite_uow, run_id) == []


def test_names_times_and_sizes_have_limits(uow, owner):
    run_id = words.start(uow, owner).run_id
    tick = 0.03125

    for bad in ({"client_id": ""}, {"client_id": "a b"}, {"client_id": "é"}, {"at_s": -1.0}, {"at_s": float("nan")}):
        with pytest.raises(FieldError):
            send(uow, run_id, **bad)
    with pytest.raises(FieldError, match="ticks ahead"):
        send(uow, run_id, at_s=1_000_001 * tick)
    send(uow, run_id, at_s=1_000_000 * tick)
    with pytest.raises(FieldError, match="at_s"):
        send(uow, run_id, K.PAUSE, at_s=1.0)
    with pytest.raises(PayloadTooLargeError):
        send(uow, run_id, payload={"kind": "burst", "note": "x" * 16_384})
    with pytest.raises(FieldError, match="Grid alone"):
        send(uow, run_id, K.MODE, {"physics": 2}, actor=owner)
    send(uow, run_id, K.MODE, {"physics": "full"})
    for count in (0, 51):
        with pytest.raises(FieldError, match="1 to 50"):
            accept(uow, run_id, *[CommandRequest(K.EVENT, BURST)] * count)
    with pytest.raises(RunStateError, match="stop alone"):
        accept(uow, run_id, CommandRequest(K.EVENT, BURST), CommandRequest(K.STOP, {}))


def test_what_is_not_yours_is_not_found(uow, owner):
    run_id, bob = words.start(uow, owner).run_id, add_owner(uow, "bob")
    run_of_nobody = new_id()

    for where in (run_id, run_of_nobody):
        with pytest.raises(NotFoundError):
            accept(uow, where, CommandRequest(K.EVENT, BURST), owner_id=bob)
    assert log_of(uow, run_id) == []


def test_a_run_takes_fifty_commands_a_second_and_a_hundred_at_once(database_maker, tmp_path):
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        uow = UnitOfWork(database)
        run_id, limits = words.start(uow, add_owner(uow)).run_id, LiveLimits(open_events=10_000)
        batch = [CommandRequest(K.EVENT, BURST)] * 50
        accept(uow, run_id, *batch, limits=limits)
        accept(uow, run_id, *batch, limits=limits)

        with pytest.raises(TooManyRequestsError, match="50 commands a second") as caught:
            accept(uow, run_id, *batch, limits=limits)
        assert caught.value.retry_after_s == pytest.approx(1.0)
        clock.advance(1.0)
        accept(uow, run_id, *batch, limits=limits)
        with pytest.raises(TooManyRequestsError):
            accept(uow, run_id, batch[0], limits=limits)
        accept(uow, run_id, CommandRequest(K.STOP, {}), limits=limits)  # whoever floods a run can stop it

        assert words.get(uow, run_id).next_seq == 152


def test_a_run_has_so_many_commands_and_events_that_wait(uow, owner):
    run_id = words.start(uow, owner).run_id
    few = LiveLimits(commands=4, open_events=2)
    send(uow, run_id, actor=owner, limits=few)
    send(uow, run_id, actor=owner, limits=few)

    with pytest.raises(CommandLimitError, match="2 events"):
        send(uow, run_id, actor=owner, limits=few)
    send(uow, run_id, K.PAUSE, limits=few)
    send(uow, run_id, K.RESUME, limits=few)
    with pytest.raises(CommandLimitError, match="4 commands"):
        send(uow, run_id, K.PAUSE, limits=few)
    send(uow, run_id, K.STOP, limits=few)


def test_the_log_is_a_header_the_physical_commands_and_an_end(uow, owner):
    claim = words.start(uow, owner)
    burst, _, other = send(uow, claim.run_id), send(uow, claim.run_id, K.SPEED, {"speed": 2}), send(uow, claim.run_id)
    live.commit_ticks(uow, claim, {burst: 4, other: 9})
    waiting = send(uow, claim.run_id)

    def lines():
        return [json.loads(line) for line in live.export_log(uow, owner_id=owner, run_id=claim.run_id)]

    header, *log = lines()
    assert header == {
        "format": 1, "run": str(claim.run_id), "scenario": None, "params": {}, "scene": words.PLANNED.scene,
        "spec_hash": "ab" * 32, "tick_s": "0.03125", "steps": 64, "method": "explicit", "seed": 0, "rules": [],
        "numerics_version": "1", "platform": "cpu-1", "event_kinds": list(COMPARED_KINDS),
    }  # fmt: skip
    assert log == [
        {"seq": burst, "kind": "event", "payload": BURST, "tick": 4},
        {"seq": other, "kind": "event", "payload": BURST, "tick": 9},
    ]
    live.commit_ticks(uow, claim, {waiting: 9})
    send(uow, claim.run_id, K.STOP)
    assert live.conclude_run(uow, claim, {"files": [], "field_sha256": "ef" * 32}, tick=40)
    assert lines()[-1] == {"end": {"tick": 40, "field_sha256": "ef" * 32}}
    with pytest.raises(NotFoundError):
        live.export_log(uow, owner_id=add_owner(uow, "bob"), run_id=claim.run_id)


def test_rules_of_a_run_are_those_that_were_asked_for_last_and_not_refused(uow, owner):
    claim = words.start(uow, owner)

    def read():
        found = live.read_rules(uow, owner_id=owner, run_id=claim.run_id)
        return found.version, [rule["name"] for rule in found.rules]

    assert read() == (0, [])
    first, second = (send(uow, claim.run_id, K.RULES, {"rules": [{"name": name}]}) for name in ("a", "b"))
    assert read() == (2, ["b"])
    live.commit_ticks(uow, claim, {first: 4, second: 4})
    refused = CommandSettlement(second, 4, "refused", reason="no")
    live.record_events(uow, claim, [], settlements=[refused])
    assert read() == (2, ["a"])
    with pytest.raises(NotFoundError):
        live.read_rules(uow, owner_id=add_owner(uow, "bob"), run_id=claim.run_id)


def test_a_command_that_is_refused_by_itself_names_its_place_among_several(uow, owner):
    run_id = words.start(uow, owner).run_id
    good, far, odd = (CommandRequest(K.EVENT, {**BURST, **change}) for change in ({}, {"position_m": [7.0]}, {"x": 1}))

    with pytest.raises(FieldError) as caught:
        accept(uow, run_id, good, far)
    assert caught.value.field == "events[1].position_m"
    with pytest.raises(FieldError) as caught:
        accept(uow, run_id, far)
    assert caught.value.field == "position_m"
    with pytest.raises(FieldError) as caught:
        accept(uow, run_id, good, odd, replace(odd, client_id="a b"))
    assert caught.value.field == "events[2].client_id"
