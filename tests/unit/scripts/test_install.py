"""The installer: what pip says goes into a log, and is shown where it fails."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "install.py"


@pytest.fixture
def install(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)  # as for a script that is started
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.LOG = tmp_path / "install.log"
    return module


def say(words, code=0):
    return (sys.executable, "-c", f"import sys; print({words!r}, file=sys.stderr); sys.exit({code})")


def test_warnings_go_to_the_log_alone(install, capfd):
    install.run(*say("WARNING: a script is not on PATH"))

    assert capfd.readouterr() == ("", "")
    assert "WARNING: a script is not on PATH" in install.LOG.read_text()


def test_what_a_failing_command_said_is_shown_and_nothing_before_it(install, capfd):
    install.run(*say("WARNING: old news"))
    with pytest.raises(subprocess.CalledProcessError):
        install.run(*say("ERROR: no such hash", 3))

    shown = capfd.readouterr().err
    assert "ERROR: no such hash" in shown
    assert "old news" not in shown


def test_what_takes_long_is_said_now_and_then(install, capfd, monkeypatch):
    monkeypatch.setattr(install, "SAY_EVERY_S", 0.05)
    install.run(sys.executable, "-c", "import time; time.sleep(0.5)", doing="installing a thing")

    assert capfd.readouterr().out.count("install: still installing a thing (") >= 2
