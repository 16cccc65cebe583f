"""The page's colours are those of the pictures that Python makes."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parents[3]
LUTS = ROOT / "ui" / "src" / "draw" / "luts.ts"


def read_tables() -> dict[str, str]:
    text = LUTS.read_text(encoding="utf-8")
    found = re.findall(r"^  (\w+):\n((?:    \"[0-9a-f]+\"(?: \+)?,?\n)+)", text, re.MULTILINE)
    return {name: "".join(re.findall(r"[0-9a-f]{96}", rows)) for name, rows in found}


@pytest.mark.parametrize("name", ["cividis", "viridis", "PuOr"])
def test_a_table_has_the_colours_of_matplotlib(name: str) -> None:
    digits = read_tables()[name]
    colours = [tuple(bytes.fromhex(digits[at : at + 6])) for at in range(0, len(digits), 6)]

    assert len(colours) == 256
    assert colours == [tuple(mpl.colormaps[name](place, bytes=True)[:3]) for place in range(256)]


def test_the_file_is_what_the_script_writes() -> None:
    script = ROOT / "scripts" / "make_colour_tables.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "luts.ts is as Matplotlib has it\n")
