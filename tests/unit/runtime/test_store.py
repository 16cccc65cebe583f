"""The store in a folder, and what only a folder can get wrong; what every store keeps is in test_store_contract.py."""

import errno
import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.killing import kill_writers, require_whole_blobs

from grid.core.errors import InputError, NotFoundError, StorageFullError, UnavailableError
from grid.runtime.store import ArtifactKeyError, LocalArtifactStore, split_key

KEY = "packs/20260102/0195.npy"


@pytest.fixture
def local(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


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


def test_a_finished_file_on_another_file_system_is_copied_whole(local, tmp_path, monkeypatch):
    (tmp_path / "draft").write_bytes(b"whole")
    real = os.link

    def link(source, name, **words):
        if Path(source) == tmp_path / "draft":
            raise OSError(errno.EXDEV, "another file system")
        real(source, name, **words)

    monkeypatch.setattr(os, "link", link)
    assert local.adopt(KEY, tmp_path / "draft") == 5
    assert not (tmp_path / "draft").exists()
    assert (local.root / KEY).read_bytes() == b"whole"
    assert len(files_below(local.root)) == 1


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
