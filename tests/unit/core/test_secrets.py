"""The secrets of one instance: strong, private, and made where they are missing."""

import secrets
import stat
import threading

import pytest
from pydantic import SecretStr

from grid.core.errors import ConfigurationError
from grid.core.secrets import load_signing_keys, read_private, require_strong, secrets_folder, write_private


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_a_private_key_and_later_starts_use_it(tmp_path):
    made = load_signing_keys(tmp_path, None)
    path = tmp_path / "secrets" / "signing.key"

    assert len(made) == 1
    assert len(made[0]) >= 32
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert load_signing_keys(tmp_path, None) == made


def test_two_instances_have_different_keys(tmp_path):
    assert load_signing_keys(tmp_path / "a", None) != load_signing_keys(tmp_path / "b", None)


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    barrier, found = threading.Barrier(8), []

    def start():
        barrier.wait()
        found.append(load_signing_keys(tmp_path, None))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["signing.key"]


def test_a_key_that_is_set_wins_and_nothing_is_written(tmp_path):
    key = secrets.token_urlsafe(48)

    assert load_signing_keys(tmp_path, SecretStr(key)) == (key.encode(),)
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize(
    "weak",
    [
        "",
        "   ",
        "short",
        "x" * 31,
        "a" * 64,
        "ab" * 32,
        "changethis",
        "changethis-changethis-changethis-changethis",
        "your-secret-key-here-please-replace-it-with-another",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "0123456789abcdef0123456789abcdef",
        "django-insecure-8x9#kq2v$w3m_0p1z7c5b4n6l",
        "development-only-Q7xZ2mB9kT4wV8rL",
    ],
)
def test_an_empty_short_repetitive_or_sample_secret_is_refused(tmp_path, weak):
    with pytest.raises(ConfigurationError, match="GRID_SECRET_KEY") as refused:
        load_signing_keys(tmp_path, SecretStr(weak))

    assert len(weak.strip()) < 8 or weak not in str(refused.value)


@pytest.mark.parametrize("_attempt", range(20))
def test_a_generated_secret_is_accepted(_attempt):
    require_strong(secrets.token_urlsafe(48).encode(), name="TEST")
    require_strong(secrets.token_hex(32).encode(), name="TEST")


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    load_signing_keys(tmp_path, None)
    (tmp_path / "secrets" / "signing.key").chmod(0o640)

    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_signing_keys(tmp_path, None)


@pytest.mark.parametrize("content", ["", "\n \n", "weak\n"])
def test_a_key_file_without_a_strong_key_is_refused(tmp_path, content):
    write_private(secrets_folder(tmp_path) / "signing.key", content)

    with pytest.raises(ConfigurationError, match=r"signing\.key"):
        load_signing_keys(tmp_path, None)


def test_the_first_line_signs_and_the_others_are_kept_for_verifying(tmp_path):
    old = load_signing_keys(tmp_path, None)[0]
    new = secrets.token_urlsafe(48)
    write_private(secrets_folder(tmp_path) / "signing.key", f"{new}\n{old.decode()}\n")

    assert load_signing_keys(tmp_path, None) == (new.encode(), old)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic"):
        read_private(tmp_path / "link")


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path):
    path = tmp_path / "file"
    write_private(path, "one")
    write_private(path, "two")

    assert read_private(path) == "two"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_not_replaced_where_that_is_not_wanted(tmp_path):
    path = tmp_path / "file"
    write_private(path, "one")

    with pytest.raises(FileExistsError):
        write_private(path, "two", replace=False)
    assert read_private(path) == "one"
    assert list(tmp_path.iterdir()) == [path]
