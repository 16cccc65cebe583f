"""Guesses are counted where they are wrong, per account, per address and per known device."""

import threading
import time
from uuid import uuid4

import pytest
from limits.storage import memory

from grid.core.errors import TooManyRequestsError
from grid.services.throttle import LoginThrottle


@pytest.fixture
def throttle():
    return LoginThrottle()


def guess(throttle, *, account="hilde", address="192.0.2.1", wrong=True):
    with throttle.stranger(account=account, address=address) as attempt:
        if wrong:
            attempt.fail()


def is_refused(throttle, **guessed):
    try:
        guess(throttle, **guessed)
    except TooManyRequestsError:
        return True
    return False


def test_the_eleventh_wrong_guess_for_an_account_is_refused_from_anywhere(throttle):
    for host in range(10):
        guess(throttle, address=f"198.51.100.{host}")

    assert is_refused(throttle, address="203.0.113.1")
    assert not is_refused(throttle, account="other", address="203.0.113.1")


def test_the_thirty_first_wrong_guess_from_an_address_is_refused_for_anyone(throttle):
    for number in range(30):
        guess(throttle, account=f"user{number}")

    assert is_refused(throttle, account="somebody")
    assert not is_refused(throttle, account="somebody", address="192.0.2.2")


def test_right_guesses_and_errors_on_the_way_are_not_counted(throttle):
    for _ in range(100):
        guess(throttle, wrong=False)
        with pytest.raises(RuntimeError), throttle.stranger(account="hilde", address="192.0.2.1"):
            raise RuntimeError("the database is away")

    assert not is_refused(throttle)


def test_a_refusal_says_when_to_come_back(throttle):
    for _ in range(10):
        guess(throttle)
    with pytest.raises(TooManyRequestsError) as refused:
        guess(throttle)

    assert 890 < refused.value.retry_after_s <= 900


def test_guesses_are_forgotten_after_their_time(throttle, monkeypatch):
    now = time.time()
    monkeypatch.setattr(memory.time, "time", lambda: now)
    for _ in range(10):
        guess(throttle)
    monkeypatch.setattr(memory.time, "time", lambda: now + 899)
    assert is_refused(throttle)
    monkeypatch.setattr(memory.time, "time", lambda: now + 901)

    assert not is_refused(throttle)


def test_guesses_at_the_same_time_get_no_further_than_one_after_another(throttle):
    barrier, passed, refused, lock = threading.Barrier(40), 0, 0, threading.Lock()
    all_in = threading.Event()

    def one(number):
        nonlocal passed, refused
        barrier.wait()
        try:
            with throttle.stranger(account="hilde", address=f"198.51.100.{number}") as attempt:
                with lock:
                    passed += 1
                all_in.wait(10)  # the hash takes a while; nothing is decided yet
                attempt.fail()
        except TooManyRequestsError:
            with lock:
                refused += 1
                if refused == 30:
                    all_in.set()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (passed, refused) == (10, 30)


def test_a_known_device_has_a_count_of_its_own(throttle):
    session = uuid4()
    for _ in range(10):
        guess(throttle)
    for _ in range(10):
        with throttle.known(session) as attempt:
            attempt.fail()

    with pytest.raises(TooManyRequestsError), throttle.known(session):
        pass
    with throttle.known(uuid4()):
        pass


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unknown", "unknown", True),
    ],
)
def test_an_address_is_what_one_subscriber_holds(throttle, first, second, same):
    for number in range(30):
        guess(throttle, account=f"user{number}", address=first)

    assert is_refused(throttle, account="new", address=second) is same


def test_the_count_of_keys_does_not_grow_for_ever(throttle, monkeypatch):
    now = time.time()
    for number in range(1500):
        monkeypatch.setattr(memory.time, "time", lambda number=number: now + 1000.0 * number)
        guess(throttle, account=f"user{number}", address=f"host{number}")
        throttle._storage._MemoryStorage__expire_events()  # what its timer does

    assert len(throttle._storage.events) <= 1100
