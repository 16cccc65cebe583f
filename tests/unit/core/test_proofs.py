"""A proof holds for one key, one nonce and one address, and for nothing else."""

import pytest

from grid.core.proofs import is_proof, make_proof

KEY, NONCE, OTHER = b"k" * 32, "3f" * 32, "a5" * 32  # of the length of those that are made


def test_a_proof_is_right_for_what_it_was_made_for():
    assert is_proof(make_proof(KEY, NONCE, "127.0.0.1", 8000), KEY, NONCE, "127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("key", "nonce", "host", "port"),
    [
        (b"j" * 32, NONCE, "127.0.0.1", 8000),
        (KEY, OTHER, "127.0.0.1", 8000),
        (KEY, NONCE, "127.0.0.2", 8000),
        (KEY, NONCE, "127.0.0.1", 8001),
    ],
)
def test_a_proof_of_anything_else_is_wrong(key, nonce, host, port):
    assert not is_proof(make_proof(key, nonce, host, port), KEY, NONCE, "127.0.0.1", 8000)


def test_one_address_is_written_in_several_ways():
    proof = make_proof(KEY, NONCE, "::ffff:127.0.0.1", 8000)
    assert is_proof(proof, KEY, NONCE, "127.0.0.1", 8000)
    assert is_proof(make_proof(KEY, NONCE, "0:0:0:0:0:0:0:1", 8000), KEY, NONCE, "::1", 8000)


def test_what_is_no_proof_at_all_is_wrong():
    assert not is_proof("", KEY, NONCE, "127.0.0.1", 8000)
    assert not is_proof("\u00e9" * 64, KEY, NONCE, "127.0.0.1", 8000)
