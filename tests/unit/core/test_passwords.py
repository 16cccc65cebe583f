"""What is accepted as a password, and how it is kept."""

import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from grid.core.errors import FieldError
from grid.core.passwords import PasswordHasher, make_password, require_acceptable

GOOD = "kelvin-under-the-floorboards"


@pytest.fixture(scope="module")
def hasher():
    return PasswordHasher()


def test_the_stored_hash_names_argon2id_with_at_least_the_required_cost(hasher):
    _, kind, version, parameters, _, _ = hasher.hash(GOOD).split("$")
    cost = dict(part.split("=") for part in parameters.split(","))

    assert (kind, version) == ("argon2id", "v=19")
    assert int(cost["m"]) >= 19 * 1024
    assert (int(cost["t"]), int(cost["p"])) == (2, 1)


def test_only_the_same_password_matches_its_hash(hasher):
    stored = hasher.hash(GOOD)

    assert hasher.verify(GOOD, stored) == (True, None)
    assert hasher.verify(GOOD + "x", stored) == (False, None)


def test_two_hashes_of_one_password_differ(hasher):
    assert hasher.hash(GOOD) != hasher.hash(GOOD)


def test_nothing_matches_where_there_is_no_user(hasher):
    assert hasher.verify(GOOD, None) == (False, None)


@pytest.mark.parametrize("stored", ["", "plain", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=19456,t=2,p=1$x"])
def test_a_hash_of_another_kind_matches_nothing(hasher, stored):
    assert hasher.verify(GOOD, stored) == (False, None)


@pytest.mark.parametrize("given", ["\x00" * 12, "nul\x00inthemiddle", "\ud800lonesurrogate", ""])
def test_what_cannot_be_a_password_matches_nothing_and_raises_nothing(hasher, given):
    assert hasher.verify(given, hasher.hash(GOOD)) == (False, None)


def test_composed_and_decomposed_letters_are_the_same_password(hasher):
    stored = hasher.hash("M\u00fcnchen leuchtet sehr")

    assert hasher.verify("Mu\u0308nchen leuchtet sehr", stored) == (True, None)


def test_the_whole_password_counts_beyond_72_bytes(hasher):
    stored = hasher.hash("a long sentence " * 7 + "end one")

    assert hasher.verify("a long sentence " * 7 + "end two", stored) == (False, None)


def test_a_hash_with_smaller_parameters_is_renewed_when_the_password_is_right(hasher):
    weak = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8 * 1024, parallelism=1),)).hash(GOOD)

    assert hasher.verify(GOOD + "x", weak) == (False, None)
    matches, renewed = hasher.verify(GOOD, weak)

    assert matches
    assert renewed is not None
    assert hasher.verify(GOOD, renewed) == (True, None)


def test_at_most_two_hashes_are_computed_at_once(monkeypatch):
    hasher = PasswordHasher(memory_kib=8, passes=1)
    running, most, lock = 0, 0, threading.Lock()
    original = hasher._hash.hash

    def counted(password):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return original(password)

    monkeypatch.setattr(hasher._hash, "hash", counted)
    threads = [threading.Thread(target=hasher.hash, args=(GOOD,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 2


@pytest.mark.parametrize("length", [0, 1, 11, 129, 4000])
def test_a_password_outside_12_to_128_characters_is_refused(length):
    with pytest.raises(FieldError, match="12 to 128"):
        require_acceptable("Tq7#vLx9" * 600 and ("Tq7#vLx9zR2m" * 400)[:length])


@pytest.mark.parametrize(
    "common",
    [
        "passwordpassword",
        "Password1234!",
        "P@ssw0rd!2024",
        "p4ssw0rdp4ssw0rd",
        "qwertyuiop123",
        "qwertyuiop[]",
        "123456789012",
        "098765432109",
        "abcdefghijkl",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "iloveyou1234",
        "letmeinletmein",
        "administrator1",
        "Administrator!",
        "changemechangeme",
        "Welcome12345!",
        "correct horse battery staple",
        "superman-batman-1999",
        "1q2w1q2w1q2w",
        "summer2024summer",
        "gridgridgrid2026",
    ],
)
def test_the_first_guesses_of_an_attacker_are_refused(common):
    with pytest.raises(FieldError, match="guessed"):
        require_acceptable(common)


@pytest.mark.parametrize(
    "good", [GOOD, "tR4!kq_92mLz", "seven brown teapots sleep", "Wärmeleitfähigkeit-λ", "x" * 5 + "7Qm#kzP"]
)
def test_an_uncommon_password_is_accepted(good):
    require_acceptable(good)


def test_the_user_name_does_not_make_a_password():
    require_acceptable("hildegardxvz")
    with pytest.raises(FieldError, match="guessed"):
        require_acceptable("Hildegardxvz2024", username="hildegardxvz")


@pytest.mark.parametrize("bad", ["has a \x00 nul inside", "lone \ud800 surrogate here", "line\nbreak in here"])
def test_control_characters_and_broken_text_are_refused_without_repeating_them(bad):
    with pytest.raises(FieldError) as refused:
        require_acceptable(bad)

    assert bad not in str(refused.value)


@given(st.text(min_size=0, max_size=200))
def test_any_text_is_accepted_or_refused_by_name(text):
    with suppress(FieldError):  # and nothing else, whatever the text is
        require_acceptable(text)


def test_generated_passwords_are_acceptable_and_differ():
    made = {make_password() for _ in range(200)}

    assert len(made) == 200
    for password in made:
        require_acceptable(password, username="admin")
