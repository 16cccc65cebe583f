"""The collector believes nothing: kinds, names, links, sizes and counts are all checked on the open descriptor."""

import hashlib
import io
import json
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.artifacts import MemoryArtifactStore

from grid.core.errors import StorageFullError
from grid.runtime.collector import (
    MANIFEST_NAME,
    Capped,
    OutputError,
    OutputTooLargeError,
    collect,
    find_media_type,
)
from grid.schemas.jobs import Reason

PREFIX = "jobs/1/1"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def store():
    return MemoryArtifactStore()


def test_files_are_stored_with_name_size_hash_and_type_and_the_manifest_last(folder, store):
    (folder / "result.csv").write_bytes(b"a,b\n")
    (folder / "field.npy").write_bytes(b"\x93NUMPY")
    entries = collect(folder, store, PREFIX, most_bytes=100)

    assert [(entry["name"], entry["size"], entry["key"]) for entry in entries] == [
        ("field.npy", 6, f"{PREFIX}/field.npy"),
        ("result.csv", 4, f"{PREFIX}/result.csv"),
    ]
    assert entries[1]["sha256"] == hashlib.sha256(b"a,b\n").hexdigest()
    assert list(store.blobs)[-1] == f"{PREFIX}/{MANIFEST_NAME}"
    assert json.loads(store.blobs[f"{PREFIX}/{MANIFEST_NAME}"]) == entries


def test_an_empty_folder_is_an_empty_manifest(folder, store):
    assert collect(folder, store, PREFIX, most_bytes=100) == []


def test_a_second_collection_of_the_same_epoch_finds_what_is_stored(folder, store):
    (folder / "result.csv").write_bytes(b"first")
    first = collect(folder, store, PREFIX, most_bytes=100)
    (folder / "result.csv").write_bytes(b"second, longer")

    assert collect(folder, store, PREFIX, most_bytes=100) == first


def make_link(folder):
    (folder / "result.csv").symlink_to("/etc/passwd")


def make_second_name(folder):
    (folder.parent / "secret.csv").write_text("x")
    os.link(folder.parent / "secret.csv", folder / "result.csv")


def make_socket(folder):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "result.csv"))


@pytest.mark.parametrize(
    "make",
    [
        make_link,
        make_second_name,
        make_socket,
        lambda folder: os.mkfifo(folder / "result.csv"),
        lambda folder: (folder / "result.csv").mkdir(),
        lambda folder: (folder / "page.html").touch(),
        lambda folder: (folder / "picture.svg").touch(),
        lambda folder: (folder / ".hidden.csv").touch(),
        lambda folder: (folder / MANIFEST_NAME).touch(),
        lambda folder: (folder / "no-suffix").touch(),
        lambda folder: (folder / "line\nend.csv").touch(),
        lambda folder: (folder / b"\xff.csv".decode("utf-8", "surrogateescape")).touch(),
    ],
)
def test_what_is_no_plain_file_with_an_allowed_name_is_refused(folder, store, make):
    make(folder)

    with pytest.raises(OutputError) as caught:
        collect(folder, store, PREFIX, most_bytes=100)
    assert caught.value.reason is Reason.BAD_OUTPUT
    assert store.blobs == {}
    assert str(folder) not in str(caught.value)


def test_the_folder_itself_may_not_be_a_link(folder, store):
    (folder.parent / "link").symlink_to(folder)

    with pytest.raises(OutputError, match="no folder that can be read"):
        collect(folder.parent / "link", store, PREFIX, most_bytes=100)


def test_bytes_are_capped_over_all_files(folder, store):
    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(bytes(60))

    with pytest.raises(OutputTooLargeError) as caught:
        collect(folder, store, PREFIX, most_bytes=119)
    assert caught.value.reason is Reason.OUTPUT_TOO_LARGE
    assert len(collect(folder, store, PREFIX, most_bytes=120)) == 2


def test_the_count_is_capped(folder, store):
    for i in range(4):
        (folder / f"{i}.csv").touch()

    with pytest.raises(OutputTooLargeError):
        collect(folder, store, PREFIX, most_bytes=100, most_files=3)


def test_a_file_that_grows_while_it_is_read_is_cut_off():
    capped = Capped(io.BytesIO(b"0123456789"), 8)

    assert capped.read(5) == b"01234"
    with pytest.raises(OutputTooLargeError):
        capped.read(5)


def test_names_choose_and_all_that_is_promised_must_be_there(folder, store):
    (folder / "a.csv").touch()
    (folder / "b.csv").touch()

    assert [e["name"] for e in collect(folder, store, PREFIX, most_bytes=9, names={"b.csv"})] == ["b.csv"]
    for promise in ({"names": {"c.csv"}}, {"required": {"c.csv"}}):
        with pytest.raises(OutputError, match=r"c\.csv"):
            collect(folder, store, PREFIX, most_bytes=9, **promise)


def test_a_full_store_is_not_the_runs_fault(folder, store):
    (folder / "a.csv").touch()
    store.is_full = True

    with pytest.raises(StorageFullError):
        collect(folder, store, PREFIX, most_bytes=9)


@given(st.text(max_size=30))
def test_no_name_with_a_media_type_can_leave_a_folder_or_hide(name):
    if find_media_type(name) is not None:
        assert "/" not in name
        assert "\0" not in name
        assert not name.startswith(".")
        assert name.isascii()
        assert name.isprintable()


def test_nothing_that_a_browser_runs_has_a_media_type():
    for name in ("a.html", "a.HTM", "a.svg", "a.xml", "a.js", "a.csv.html"):
        assert find_media_type(name) is None
