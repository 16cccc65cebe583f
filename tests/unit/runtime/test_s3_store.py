"""What only a store across a network can get wrong: lost answers, refusals, silence, and servers with gaps."""

import hashlib
import io
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import pytest
from tests.support.s3 import S3Bench
from tests.support.store_contract import KEY, read

from grid.core.errors import ConfigurationError, ConflictError, InputError, StorageFullError, UnavailableError
from grid.runtime import s3_client, s3_store, s3_upload
from grid.runtime.packs import read_record, write_pack
from grid.runtime.s3_client import S3Clients, S3Place
from grid.runtime.s3_store import S3ArtifactStore
from grid.runtime.spool import Spool

DATA = Random(5).randbytes(100_000)


def put(store: S3ArtifactStore, data: bytes = DATA, key: str = KEY) -> tuple[int, str]:
    return store.put(key, io.BytesIO(data))


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PAUSE_S", 0.001)


# --- puts


def test_objects_lie_under_the_prefix_with_their_hash(s3: S3Bench):
    put(s3.store)
    ((name, (data, metadata)),) = s3.server.objects.items()
    assert (name, data) == (f"grid/results/{KEY}", DATA)
    assert metadata == {"x-amz-meta-grid-sha256": hashlib.sha256(DATA).hexdigest()}
    assert s3.spool.used_bytes() == 0


def test_a_put_whose_answer_is_lost_is_looked_up_and_counts(s3: S3Bench):
    s3.store.check()
    s3.server.lose("PUT")
    assert put(s3.store)[0] == len(DATA)
    assert s3.blobs() == {KEY: DATA}


def test_a_put_that_was_not_carried_out_is_told_and_may_be_repeated(s3: S3Bench):
    s3.store.check()
    s3.server.refuse("PUT", 503, "SlowDown")
    with pytest.raises(UnavailableError, match="SlowDown"):
        put(s3.store)
    assert put(s3.store)[0] == len(DATA)


def test_a_put_whose_fate_cannot_be_told_is_known_as_ours_when_it_is_repeated(s3: S3Bench):
    """The answer is lost, and so is that of the look-up: the repetition is refused by the object of the first."""
    s3.store.check()
    s3.server.lose("PUT")
    s3.server.refuse("HEAD", 503, "SlowDown")
    with pytest.raises(UnavailableError):
        put(s3.store)
    assert put(s3.store)[0] == len(DATA)
    with pytest.raises(ConflictError):
        put(s3.store)


def test_the_object_of_another_is_never_taken_for_ours(s3: S3Bench):
    s3.store.check()
    put(s3.another(), b"another's")
    s3.server.refuse("PUT", 500, "InternalError")
    with pytest.raises(UnavailableError):
        put(s3.store)
    with pytest.raises(ConflictError):
        put(s3.store)
    assert read(s3.store) == b"another's"


def test_a_put_that_a_delete_has_crossed_is_repeated_and_not_for_ever(s3: S3Bench):
    s3.store.check()
    s3.server.refuse("PUT", 409, "ConditionalRequestConflict", times=2)
    assert put(s3.store)[0] == len(DATA)
    s3.server.refuse("PUT", 409, "ConditionalRequestConflict", times=10)
    with pytest.raises(UnavailableError, match="ConditionalRequestConflict"):
        put(s3.store, key="another")


@pytest.mark.parametrize(
    ("status", "code", "kind", "word"),
    [
        (403, "AccessDenied", UnavailableError, "credentials"),
        (404, "NoSuchBucket", UnavailableError, "GRID_ARTIFACTS_URL"),
        (400, "EntityTooLarge", StorageFullError, "no room"),
        (507, "XMinioStorageFull", StorageFullError, "no room"),
        (403, "QuotaExceeded", StorageFullError, "no room"),
        (400, "BadDigest", UnavailableError, "BadDigest"),
    ],
)
def test_a_refusal_is_told_as_what_it_is_and_leaves_nothing(s3: S3Bench, status, code, kind, word):
    s3.store.check()
    s3.server.refuse("PUT", status, code)
    with pytest.raises(kind, match=word):
        put(s3.store)
    assert s3.blobs() == {}
    assert s3.spool.used_bytes() == 0


def test_a_server_that_hangs_is_given_up(s3: S3Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(s3_client.TIMES, "write", (0.1, 1))
    store = S3ArtifactStore(S3Clients(s3.store.place), s3.spool)
    store.check()
    s3.server.hang("PUT")
    with pytest.raises(UnavailableError, match="does not answer"):
        put(store)


def test_a_server_that_is_not_there_is_told_at_once(s3: S3Bench):
    clients = S3Clients(S3Place("grid-tests", "", "http://127.0.0.1:9"))
    store = S3ArtifactStore(clients, s3.spool)
    for use in (store.check, lambda: put(store), lambda: store.delete(KEY), lambda: list(store.keys())):
        with pytest.raises(UnavailableError, match="does not answer"):
            use()


def test_only_a_regular_file_with_one_name_is_adopted(s3: S3Bench):
    (s3.folder / "secret").write_bytes(b"secret")
    (s3.folder / "link").symlink_to(s3.folder / "secret")
    (s3.folder / "second").hardlink_to(s3.folder / "secret")
    for name in ("link", "second"):
        with pytest.raises(InputError):
            s3.store.adopt(KEY, s3.folder / name)
    assert s3.blobs() == {}


def test_a_wrong_hash_of_an_adopted_file_is_refused_by_the_server(s3: S3Bench):
    path = s3.folder / "pack"
    path.write_bytes(DATA)
    with pytest.raises(UnavailableError, match="BadDigest"):
        s3.store.adopt(KEY, path, sha256=hashlib.sha256(b"other").hexdigest())
    assert path.exists()
    assert s3.blobs() == {}


# --- parts


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 30_000)
    monkeypatch.setattr(s3_upload, "WHOLE_BYTES", 60_000)


@pytest.mark.usefixtures("small_parts")
def test_a_large_object_goes_in_parts_and_is_put_once(s3: S3Bench):
    assert put(s3.store)[1] == hashlib.sha256(DATA).hexdigest()
    assert sum(request.startswith("PUT") and KEY in request for request in s3.server.requests) == 4
    with pytest.raises(ConflictError):
        put(s3.store, DATA[::-1])
    assert (read(s3.store), s3.server.uploads) == (DATA, {})


@pytest.mark.usefixtures("small_parts")
def test_parts_that_fail_are_tried_again_and_an_upload_that_fails_is_aborted(s3: S3Bench):
    s3.store.check()
    s3.server.refuse("PUT", 503, "SlowDown")
    assert put(s3.store)[0] == len(DATA)
    s3.server.refuse("PUT", 400, "BadDigest")
    with pytest.raises(UnavailableError):
        put(s3.store, key="another")
    assert s3.server.uploads == {}
    assert list(s3.blobs()) == [KEY]


@pytest.mark.usefixtures("small_parts")
def test_a_lost_answer_to_the_last_part_is_looked_up_by_the_hash(s3: S3Bench):
    s3.store.check()
    s3.server.faults["POST"].append(lambda _: None)  # the upload is begun
    s3.server.lose("POST")  # and ended, without a word
    assert put(s3.store)[0] == len(DATA)
    assert s3.blobs() == {KEY: DATA}


def test_an_upload_that_was_never_ended_and_an_old_probe_are_removed_once_old(s3: S3Bench):
    s3.server.objects["grid/results/.grid-check/gone"] = (b"", {})
    put(s3.store)
    s3.server.uploads["upload-1"] = (f"grid/results/{KEY}", {}, {})
    age_s = (datetime.now(UTC) - datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) / timedelta(seconds=1)
    assert s3.store.remove_leftovers(age_s + 60.0) == 0
    assert s3.store.remove_leftovers(0.0, "live-1") == 0
    assert s3.store.remove_leftovers(age_s - 60.0) == 2
    assert (s3.server.uploads, list(s3.blobs())) == ({}, [KEY])


# --- reads


def test_a_record_is_read_out_of_a_pack_without_the_pack(s3: S3Bench):
    records = np.zeros(3000, dtype=[("field", "<f8", (100,))])
    records["field"][:, 0] = np.arange(3000)
    entries = write_pack(s3.folder / "pack", KEY, records)
    s3.store.adopt(KEY, s3.folder / "pack")
    before = len(s3.server.requests)
    assert read_record(s3.store, entries[2999])["field"][0] == 2999.0
    assert [request.partition(" ")[0] for request in s3.server.requests[before:]] == ["HEAD", "GET", "GET"]


def test_a_file_that_is_read_in_turn_is_fetched_in_growing_ranges(s3: S3Bench):
    data = Random(6).randbytes(20 << 20)
    put(s3.store, data)
    before = len(s3.server.requests)
    digest = hashlib.sha256()
    with s3.store.open(KEY) as blob:
        while block := blob.read(256 << 10):
            digest.update(block)
    assert digest.digest() == hashlib.sha256(data).digest()
    assert len(s3.server.requests) - before == 1 + 5  # 1 + 2 + 4 + 8 + 5 MiB


def test_reading_ends_where_the_file_does_and_not_after_it_is_closed(s3: S3Bench):
    put(s3.store, b"0123")
    blob = s3.store.open(KEY)
    assert blob.seek(10) == 10
    assert blob.read() == b""
    with pytest.raises(ValueError, match="before the beginning"):
        blob.seek(-5, 1 + 1)
    assert blob.readinto(bytearray(3)) == 0
    blob.close()
    with pytest.raises(ValueError, match="closed"):
        blob.read()


def test_another_range_than_was_asked_for_is_not_taken_for_it(s3: S3Bench):
    put(s3.store)
    s3.server.ignores_ranges = True
    with s3.store.open(KEY) as blob:
        blob.seek(10)
        with pytest.raises(UnavailableError, match="another range"):
            blob.read(5)


def test_keys_that_are_not_of_artifacts_are_left_alone(s3: S3Bench):
    put(s3.store)
    for name in ("grid/results/.grid-check/1", "grid/results/a b", "grid/resultsx/1", "another/1"):
        s3.server.objects[name] = (b"", {})
    assert list(s3.store.keys()) == [KEY]


# --- the self-test


def test_a_sound_server_has_nothing_to_be_remarked_and_is_asked_rarely(s3: S3Bench, monkeypatch: pytest.MonkeyPatch):
    assert s3.store.check() == ""
    assert s3.blobs() == {}
    count = len(s3.server.requests)
    assert s3.store.check() == ""
    assert len(s3.server.requests) == count
    monkeypatch.setattr(s3_store, "WELL_FOR_S", -1.0)
    assert s3.store.check() == ""
    assert s3.server.requests[count:] == ["PUT grid/results/.grid-check/" + s3.store._probe]
    assert list(s3.store.keys()) == []


def test_a_server_that_takes_a_key_twice_is_used_with_a_look_before_each_put(s3: S3Bench):
    s3.server.ignores_conditions = True
    assert "If-None-Match" in s3.store.check()
    put(s3.store)
    for data in (b"second", DATA):
        with pytest.raises(ConflictError):
            put(s3.store, data)
    s3.server.lose("PUT")
    s3.server.refuse("HEAD", 404, "NoSuchKey")
    s3.server.refuse("HEAD", 503, "SlowDown")
    with pytest.raises(UnavailableError):
        put(s3.store, key="another")
    assert put(s3.store, key="another")[0] == len(DATA)
    assert s3.blobs() == {KEY: DATA, "another": DATA}


def test_a_server_that_knows_no_conditions_is_used_without_them(s3: S3Bench):
    s3.server.refuse("PUT", 501, "NotImplemented")
    assert "If-None-Match" in s3.store.check()
    put(s3.store)
    assert read(s3.store) == DATA


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_refusal_during_the_self_test_is_no_finding(s3: S3Bench, number: int):
    s3.server.faults["PUT"].extend([lambda _: None] * number)
    s3.server.refuse("PUT", 403, "AccessDenied")
    with pytest.raises(UnavailableError, match="credentials"):
        s3.store.check()
    assert s3.store.check() == ""


def test_a_server_that_takes_wrong_checksums_is_remarked(s3: S3Bench):
    s3.server.ignores_checksums = True
    assert "wrong checksums" in s3.store.check()


@pytest.mark.parametrize("gap", ["ignores_conditions", "ignores_checksums"])
def test_a_server_with_a_gap_is_refused_where_that_is_asked_for(s3: S3Bench, gap: str):
    setattr(s3.server, gap, True)
    store = s3.another(is_strict=True)
    for use in (store.check, lambda: put(store)):
        with pytest.raises(ConfigurationError, match="GRID_S3_STRICT"):
            use()
    assert s3.blobs() == {}


def test_a_server_without_ranges_cannot_be_used(s3: S3Bench):
    s3.server.ignores_ranges = True
    with pytest.raises(UnavailableError, match="ranges"):
        s3.store.check()


def test_a_server_that_knows_no_sha256_gets_md5(s3: S3Bench):
    clients = S3Clients(S3Place("grid-tests", "grid/results", s3.server.url, "when_required"))
    store = S3ArtifactStore(clients, Spool(s3.folder / "md5"))
    assert store.check() == ""
    put(store)
    assert read(store) == DATA


def test_a_store_that_comes_back_is_well_again(s3: S3Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(s3_store, "WELL_FOR_S", -1.0)
    s3.store.check()
    s3.server.refuse("PUT", 503, "SlowDown")
    with pytest.raises(UnavailableError):
        s3.store.check()
    assert s3.store.check() == ""
