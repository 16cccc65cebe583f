"""The contract of an artifact store, for the real one and its double; and what only a folder can get wrong."""

import errno
import hashlib
import io
import os
import stat
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.killing import kill_writers, require_whole_blobs

from grid.core.errors import ConflictError, InputError, NotFoundError, StorageFullError, UnavailableError
from grid.runtime.store import ArtifactKeyError, LocalArtifactStore, split_key
from grid.services.ports import ArtifactStore

KEY = "packs/20260102/0195.npy"


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts") if request.param == "local" else MemoryArtifactStore()


@pytest.fixture
def local(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def read(store: ArtifactStore, key: str) -> bytes:
    with store.open(key) as blob:
        return blob.read()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# --- the contract


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, (1 << 20) + 1])
def test_a_blob_reads_back_with_its_size_and_hash(store, size):
    data = Random(size).randbytes(size)

    assert store.put(KEY, io.BytesIO(data)) == (size, hashlib.sha256(data).hexdigest())
    assert read(store, KEY) == data


def test_a_blob_can_be_read_from_the_middle(store):
    store.put(KEY, io.BytesIO(b"0123456789"))

    with store.open(KEY) as blob:
        blob.seek(4)
        assert blob.read(3) == b"456"


def test_blobs_and_folders_in_use_are_no_leftovers(store):
    store.put(KEY, io.BytesIO(b"kept"))

    with store.staging("mine") as folder:
        assert store.remove_leftovers(3600.0) == 0
        assert Path(folder).is_dir()
    assert read(store, KEY) == b"kept"


def test_a_key_is_written_once(store):
    store.put(KEY, io.BytesIO(b"first"))

    with pytest.raises(ConflictError):
        store.put(KEY, io.BytesIO(b"second"))
    assert read(store, KEY) == b"first"


def test_an_unknown_key_is_not_found_and_its_removal_is_silent(store):
    store.delete(KEY)

    with pytest.raises(NotFoundError):
        store.open(KEY)


def test_a_removed_blob_is_gone_and_its_neighbour_stays(store):
    store.put(KEY, io.BytesIO(b"a"))
    store.put("packs/20260102/0196.npy", io.BytesIO(b"b"))
    store.delete(KEY)

    assert list(store.keys()) == ["packs/20260102/0196.npy"]


def test_keys_are_found_by_any_prefix(store):
    keys = ["jobs/a/1/x.csv", "jobs/a/1/y.csv", "jobs/a/10/x.csv", "jobs/b/1/x.csv", "packs/1.npy"]
    for key in keys:
        store.put(key, io.BytesIO(b""))

    for prefix in ("", "jobs/", "jobs/a/1/", "jobs/a/1", "jobs/a/1/x", "p", "q", "jobs/a/1/x.csv/z"):
        assert sorted(store.keys(prefix)) == [key for key in keys if key.startswith(prefix)]


@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            ".staging/x",
            "a/.b",
            "a\0b",
            "a b",
            "ä",
            "a\n",
            "-x",
        ),
        *("/".join("abcdefghi"), "a" * 129, "/".join(["a" * 100] * 6)),
    ],
)
def test_a_key_outside_the_grammar_is_refused_everywhere(store, key):
    for use in (lambda: store.put(key, io.BytesIO(b"x")), lambda: store.open(key), lambda: store.delete(key)):
        with pytest.raises(InputError):
            use()


def test_a_source_that_fails_leaves_nothing(store):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        store.put(KEY, Broken())
    assert list(store.keys()) == []


def test_staging_is_private_empty_and_removed(store):
    with store.staging("pack") as folder:
        assert list(Path(folder).iterdir()) == []
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        Path(folder, "half").write_bytes(b"x")

    assert not Path(folder).exists()
    assert list(store.keys()) == []


def test_a_store_that_can_be_written_passes_its_check(store):
    store.check()


# --- the folder


@given(st.text(max_size=40))
def test_no_key_that_is_accepted_leaves_the_folder(key):
    try:
        parts = split_key(key)
    except ArtifactKeyError:
        return
    assert all(part not in ("", ".", "..") and part[0] != "." and "\0" not in part for part in parts)


def test_only_the_owner_can_read(local):
    local.put(KEY, io.BytesIO(b"x"))

    modes = {stat.S_IMODE(path.stat().st_mode) for path in local.root.rglob("*") if path.is_dir()}
    assert modes == {0o700}
    assert stat.S_IMODE((local.root / KEY).stat().st_mode) == 0o600


def test_a_finished_file_is_adopted_without_a_copy(local):
    with local.staging("pack") as folder:
        draft = Path(folder, "draft.npy")
        draft.write_bytes(b"whole")
        inode = draft.stat().st_ino

        assert local.adopt(KEY, draft) == 5
        assert not draft.exists()
    assert (local.root / KEY).stat().st_ino == inode
    assert (local.root / KEY).stat().st_nlink == 1


def test_a_link_or_a_second_name_is_not_adopted(local, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", tmp_path / "second")

    with pytest.raises(OSError, match="symbolic links"):
        local.adopt(KEY, tmp_path / "link")
    with pytest.raises(InputError):
        local.adopt(KEY, tmp_path / "second")
    assert list(local.keys()) == []


def test_links_inside_the_store_are_never_followed(local, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (local.root / "jobs").symlink_to(outside)
    (local.root / "file").symlink_to(outside / "secret")

    for key in ("jobs/secret", "file"):
        with pytest.raises(NotFoundError):
            local.open(key)
    with pytest.raises(OSError, match="Not a directory"):
        local.put("jobs/new", io.BytesIO(b"x"))
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert list(local.keys()) == []


def test_a_folder_or_a_pipe_is_no_blob(local):
    local.put(KEY, io.BytesIO(b"x"))
    os.mkfifo(local.root / "pipe")

    for key in ("packs", "packs/20260102", "pipe", f"{KEY}/x"):
        with pytest.raises(NotFoundError):
            local.open(key)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fsync", "link", "mkdir"])
def test_a_full_disk_is_named_and_leaves_nothing(local, monkeypatch, call, code):
    def full(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(StorageFullError):
            local.put(KEY, io.BytesIO(b"x" * 100))

    assert files_below(local.root) == []
    local.put(KEY, io.BytesIO(b"now it fits"))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the child of this fork only writes files
def test_a_file_system_that_is_really_full_is_named_and_leaves_nothing(tmp_path):
    """A tmpfs of one MiB, in a mount namespace of its own; needs the right to make one."""
    root = tmp_path / "small"
    root.mkdir()
    pid = os.fork()
    if pid == 0:
        os._exit(_fill_small_file_system(root))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 77:
        sentence = "left out: mounting a small tmpfs is not allowed here"
        if os.geteuid() == 0 and os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    assert code == 0


def _fill_small_file_system(root: Path) -> int:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x40000 | 0x4000, None):
        return 77
    if libc.mount(b"tmpfs", os.fsencode(root), b"tmpfs", 0, b"size=1m"):
        return 77
    store = LocalArtifactStore(root)
    store.put("a", io.BytesIO(bytes(300_000)))
    try:
        store.put("b", io.BytesIO(bytes(900_000)))
    except StorageFullError:
        pass
    else:
        return 1
    store.put("c", io.BytesIO(bytes(300_000)))
    return 0 if sorted(store.keys()) == ["a", "c"] and len(files_below(root)) == 2 else 2


def test_a_failed_fsync_is_fatal_for_the_attempt(local, monkeypatch):
    real, calls = os.fsync, []

    def once(descriptor):
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.EIO, "lost")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", once)
    with pytest.raises(OSError, match="lost"):
        local.put(KEY, io.BytesIO(b"x"))
    assert len(calls) == 1  # never tried again on the same descriptor
    assert files_below(local.root) == []


def test_a_folder_whose_sync_fails_does_not_keep_the_name(local, monkeypatch):
    local.put("packs/20260102/other.npy", io.BytesIO(b"x"))
    real = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "lost")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    with pytest.raises(OSError, match="lost"):
        local.put(KEY, io.BytesIO(b"x"))
    assert list(local.keys()) == ["packs/20260102/other.npy"]


def test_a_folder_that_cannot_be_written_fails_its_check(local, monkeypatch):
    def read_only(*_args, **_kwargs):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Path, "write_bytes", read_only)
    with pytest.raises(UnavailableError):
        local.check()


def test_a_file_system_without_hard_links_fails_the_check(local, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(UnavailableError, match="second name"):
        local.check()
    assert files_below(local.root) == []


def test_an_almost_full_disk_fails_the_check(local, monkeypatch):
    real = os.statvfs(local.root)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*real[:3], 1, 1, *real[5:])))

    with pytest.raises(StorageFullError):
        local.check()


def test_leftovers_of_killed_attempts_are_removed_once_old(local):
    with local.staging("mine"):
        (local.root / ".staging" / "put-dead").write_bytes(b"half")
        os.utime(local.root / ".staging" / "put-dead", (0, 0))

        assert local.remove_leftovers(3600.0) == 1
        assert len(list((local.root / ".staging").iterdir())) == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the child of this fork only writes files
@pytest.mark.parametrize("way", ["put", "adopt"])
def test_a_writer_killed_at_any_moment_leaves_whole_blobs_or_none(tmp_path, way):
    """The long form is in tests/faults."""
    kill_writers(tmp_path / "artifacts", way, rounds=20, seed=7)
    store = LocalArtifactStore(tmp_path / "artifacts")

    assert require_whole_blobs(store) >= 7  # every third writer had finished one
    assert store.remove_leftovers(-1.0) <= 20
    assert list((store.root / ".staging").iterdir()) == []
