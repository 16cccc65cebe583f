"""What the image is built from: nothing floating, nothing run as root, nothing hidden in an entry point."""

import re
from pathlib import Path

SIM = Path(__file__).parents[3] / "sim"


def test_every_requirement_is_pinned_and_hashed_and_no_address_is_named():
    text = (SIM / "requirements.txt").read_text()
    logical = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.strip().startswith("#")
    ]

    assert {re.split(r"==", line)[0] for line in logical} >= {"numpy", "matplotlib"}
    for line in logical:
        assert re.match(r"[a-z0-9-]+==[0-9][^ ]* ", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line
    assert "://" not in text


def test_the_pins_are_those_of_grid_itself():
    own = set(re.findall(r"^[a-z0-9-]+==[^ ]+", (SIM.parent / "requirements" / "base.txt").read_text(), re.MULTILINE))

    for pin in re.findall(r"^(?:numpy|matplotlib)==[^ ]+", (SIM / "requirements.txt").read_text(), re.MULTILINE):
        assert pin in own


def test_the_image_is_built_without_buildkit_and_on_any_python_image():
    text = (SIM / "Dockerfile").read_text()

    assert "ARG PYTHON_IMAGE=python:3." in text
    assert "FROM ${PYTHON_IMAGE}" in text
    for words in ("--mount", "--chmod", "--link", "<<", "# syntax", "# check"):
        assert words not in text


def test_the_image_has_no_entry_point_and_runs_as_nobody():
    lines = (SIM / "Dockerfile").read_text().splitlines()
    words = [line.split()[0] for line in lines if line and not line.startswith((" ", "#"))]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]

    assert "ENTRYPOINT" not in words
    assert users
    assert users[-1].split(":")[0] not in {"root", "0"}
    assert any(line.startswith("WORKDIR ") for line in lines)
    assert any("--require-hashes" in line for line in lines)
