"""The address of a data folder's server, as whoever started it wrote down: `$GRID_HOME/run/address`."""

import re
from contextlib import suppress
from pathlib import Path

from grid.runtime.home import Home, find_running

_ADDRESS = re.compile(r"http://([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")


def write_address(home: Path, address: str) -> None:
    """Write down where the server of this folder listens."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)  # `parents` alone would leave it open
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    path = home / "run" / "address"
    path.write_text(address + "\n", encoding="ascii")
    path.chmod(0o600)


def read_address(home: Path) -> str | None:
    """Return where the running server of this folder listens; None where none runs, or nothing was written down."""
    with suppress(OSError, ValueError):
        address = (home / "run" / "address").read_text(encoding="ascii").strip()
        if _ADDRESS.fullmatch(address) and find_running(Home(home), "server") is not None:
            return address
    return None
