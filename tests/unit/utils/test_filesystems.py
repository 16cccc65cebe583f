"""The mount table decides, deepest and latest mount first; one list says which file systems are shared by machines."""

from pathlib import Path

import pytest

from grid.utils.filesystems import NETWORK_FILE_SYSTEMS, find_file_system, find_network_file_system

MOUNTS = """\
1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
2 1 0:40 / /shared\\040files rw - nfs4 server:/export rw
3 2 8:2 / /shared\\040files/local rw - xfs /dev/sdb1 rw
4 1 0:3 / /over rw - ext4 /dev/b rw
5 1 0:4 / /over rw - cifs //host rw
6 1 0:5 / /prüfung rw - 9p host rw
7 1 0:6 / /a\\134b rw - gpfs host rw
8 1 0:7 / /nfs rw - nfsd host rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS, encoding="utf-8")
    return table


@pytest.mark.parametrize(
    ("folder", "kind", "is_network"),
    [
        ("/home/ada", "ext4", False),
        ("/shared files/team", "nfs4", True),
        ("/shared files/local/data", "xfs", False),
        ("/sharedness", "ext4", False),
        ("/over/x", "cifs", True),
        ("/prüfung/x", "9p", True),
        ("/a\\b", "gpfs", True),
        ("/nfs", "nfsd", False),
    ],
)
def test_the_deepest_and_latest_mount_decides(mounts: Path, folder: str, kind: str, is_network: bool):
    assert find_file_system(Path(folder), mounts) == kind
    assert find_network_file_system(Path(folder), mounts) == (kind if is_network else None)


def test_every_listed_type_is_found_by_its_whole_name(mounts: Path):
    for kind in NETWORK_FILE_SYSTEMS:
        mounts.write_text(f"1 0 0:1 / / rw - {kind} host rw\n")
        assert find_network_file_system(Path("/data"), mounts) == kind
        mounts.write_text(f"1 0 0:1 / / rw - {kind}x host rw\n")
        assert find_network_file_system(Path("/data"), mounts) is None


def test_without_a_mount_table_nothing_is_refused(tmp_path: Path):
    assert find_file_system(tmp_path, tmp_path / "none") is None
    assert find_network_file_system(tmp_path, tmp_path / "none") is None
