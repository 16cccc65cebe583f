"""What every artifact store keeps, as functions of a store; each begins with an empty one."""

import hashlib
import io
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from grid.core.errors import ConflictError, InputError, NotFoundError
from grid.services.ports import ArtifactStore

KEY = "packs/20260102/0195.npy"
BAD_KEYS = (
    "", "/", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".staging/x", "a/.b", "a\0b", "a b", "ä", "a\n", "-x",
    "/".join("abcdefghi"), "a" * 129, "/".join(["a" * 100] * 6),
)  # fmt: skip


def read(store: ArtifactStore, key: str = KEY) -> bytes:
    with store.open(key) as blob:
        return blob.read()


def reads_back_with_size_and_hash(store: ArtifactStore) -> None:
    for size in (0, 1, (1 << 20) - 1, (1 << 20) + 1):
        data = Random(size).randbytes(size)
        assert store.put(f"sizes/{size}", io.BytesIO(data)) == (size, hashlib.sha256(data).hexdigest())
        assert read(store, f"sizes/{size}") == data


def measures_as_it_stored(store: ArtifactStore) -> None:
    data = Random(8).randbytes(3_000)
    stored = store.put(KEY, io.BytesIO(data))
    assert store.measure(KEY) == stored == (3_000, hashlib.sha256(data).hexdigest())
    with pytest.raises(NotFoundError):
        store.measure("another")


def takes_a_finished_file(store: ArtifactStore) -> None:
    data = Random(7).randbytes(70_000)
    with TemporaryDirectory() as folder:
        for key, sha256 in ((KEY, hashlib.sha256(data).hexdigest()), ("jobs/a/1/x.csv", None)):
            path = Path(folder, "finished")
            path.write_bytes(data)
            assert store.adopt(key, path, sha256=sha256) == len(data)
            assert not path.exists()
            assert read(store, key) == data
        path.write_bytes(b"another")
        with pytest.raises(ConflictError):
            store.adopt(KEY, path)
        assert path.read_bytes() == b"another"
    assert read(store) == data


def reads_from_anywhere(store: ArtifactStore) -> None:
    store.put(KEY, io.BytesIO(b"0123456789"))
    with store.open(KEY) as blob:
        blob.seek(4)
        assert blob.read(3) == b"456"
        assert blob.tell() == 7
        assert blob.seek(-2, 2) == 8
        assert blob.read() == b"89"
        assert blob.read(5) == b""
        blob.seek(0)
        assert blob.read(1) == b"0"


def keeps_what_is_in_use(store: ArtifactStore) -> None:
    store.put(KEY, io.BytesIO(b"kept"))
    with store.staging("mine") as folder:
        assert store.remove_leftovers(3600.0) == 0
        assert Path(folder).is_dir()
    assert read(store) == b"kept"


def writes_a_key_once(store: ArtifactStore) -> None:
    store.put(KEY, io.BytesIO(b"first"))
    for data in (b"second", b"first"):
        with pytest.raises(ConflictError):
            store.put(KEY, io.BytesIO(data))
    assert read(store) == b"first"


def finds_no_unknown_key_and_removes_it_silently(store: ArtifactStore) -> None:
    store.delete(KEY)
    with pytest.raises(NotFoundError):
        store.open(KEY)


def removes_one_and_keeps_its_neighbour(store: ArtifactStore) -> None:
    store.put(KEY, io.BytesIO(b"a"))
    store.put("packs/20260102/0196.npy", io.BytesIO(b"b"))
    store.delete(KEY)
    assert list(store.keys()) == ["packs/20260102/0196.npy"]
    store.put(KEY, io.BytesIO(b"again"))
    assert read(store) == b"again"


def finds_keys_by_any_prefix(store: ArtifactStore) -> None:
    keys = ["jobs/a/1/x.csv", "jobs/a/1/y.csv", "jobs/a/10/x.csv", "jobs/b/1/x.csv", "packs/1.npy"]
    keys += [f"renders/{number}" for number in range(10, 19)]  # more than a page, where there are pages
    for key in keys:
        store.put(key, io.BytesIO(b""))
    for prefix in ("", "jobs/", "jobs/a/1/", "jobs/a/1", "jobs/a/1/x", "p", "q", "jobs/a/1/x.csv/z", "renders/"):
        assert sorted(store.keys(prefix)) == [key for key in keys if key.startswith(prefix)]


def refuses_keys_outside_the_grammar(store: ArtifactStore) -> None:
    for key in BAD_KEYS:
        uses: tuple[Callable[[], object], ...] = (
            lambda key=key: store.put(key, io.BytesIO(b"x")),  # type: ignore[misc]
            lambda key=key: store.adopt(key, Path("nowhere")),  # type: ignore[misc]
            lambda key=key: store.open(key),  # type: ignore[misc]
            lambda key=key: store.delete(key),  # type: ignore[misc]
            lambda key=key: store.measure(key),  # type: ignore[misc]
        )
        for use in uses:
            with pytest.raises(InputError):
                use()


def leaves_nothing_of_a_source_that_fails(store: ArtifactStore) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        store.put(KEY, Broken())
    assert list(store.keys()) == []


def lends_a_private_folder(store: ArtifactStore) -> None:
    with store.staging("pack") as folder:
        assert list(Path(folder).iterdir()) == []
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        Path(folder, "half").write_bytes(b"x")
    assert not Path(folder).exists()
    assert list(store.keys()) == []


def passes_its_check_and_leaves_no_key(store: ArtifactStore) -> None:
    store.check()
    store.check()
    assert list(store.keys()) == []


CLAIMS: tuple[Callable[[ArtifactStore], None], ...] = (
    reads_back_with_size_and_hash,
    measures_as_it_stored,
    takes_a_finished_file,
    reads_from_anywhere,
    keeps_what_is_in_use,
    writes_a_key_once,
    finds_no_unknown_key_and_removes_it_silently,
    removes_one_and_keeps_its_neighbour,
    finds_keys_by_any_prefix,
    refuses_keys_outside_the_grammar,
    leaves_nothing_of_a_source_that_fails,
    lends_a_private_folder,
    passes_its_check_and_leaves_no_key,
)
