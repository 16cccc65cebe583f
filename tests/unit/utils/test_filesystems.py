from pathlib import Path

import pytest

from grid.utils.filesystems import find_network_filesystem

MOUNTS = """\
1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
2 1 0:40 / /shared\\040files rw - nfs4 server:/export rw
3 2 8:2 / /shared\\040files/local rw - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/home/ada", None), ("/shared files/team", "nfs4"), ("/shared files/local/data", None), ("/sharedness", None)],
)
def test_the_innermost_mount_decides(tmp_path: Path, folder: str, kind: str | None):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)

    assert find_network_filesystem(Path(folder), mounts) == kind


def test_without_a_list_of_mounts_nothing_is_refused(tmp_path: Path):
    assert find_network_filesystem(tmp_path, tmp_path / "none") is None
