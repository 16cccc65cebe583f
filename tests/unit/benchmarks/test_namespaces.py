"""Workers in namespaces: what keeps them apart, and the load that one core and two are measured by."""

import json
import socket
import subprocess

from benchmarks.namespaces import can_isolate, isolate, make_rods
from tests.support.leaving_out import leave_out


def test_a_command_has_a_host_name_and_a_folder_that_nobody_else_sees(tmp_path):
    if not can_isolate():
        leave_out("namespaces cannot be made by this user")
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "outside").touch()
    script = f"touch {folder}/inside; ls -A {folder}; stat -c %a {folder}; hostname"

    done = subprocess.run(isolate(["sh", "-c", script], folder, "one"), capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["inside", "700", "one"]
    assert [path.name for path in folder.iterdir()] == ["outside"]
    assert socket.gethostname() != "one"


def test_each_rod_of_the_sweep_is_another_one():
    sweep = json.loads(make_rods(40))["sweep"]

    assert len({rod["diffusivity"] for rod in sweep}) == 40
    assert len({(rod["spatial_steps"], rod["time_steps"]) for rod in sweep}) == 1  # of one shape, so of one batch
