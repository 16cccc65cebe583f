#!/usr/bin/env python3
"""Wait until the server of the stack is ready: `wait_ready.py [PORT]`, default GRID_PORT or 8000.

Ends with 1 where it is not within ten minutes, which a busy machine may need for the first start.
"""

import os
import sys
import time
from urllib.request import urlopen

LIMIT_S = 600.0


def is_ready(port: str) -> bool:
    """Whether the server says that it can work."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            return answer.status == 200
    except OSError:  # an answer of another status, too
        return False


def main(port: str) -> int:
    """Wait, and return the exit code."""
    deadline = time.monotonic() + LIMIT_S
    while not is_ready(port):
        if time.monotonic() > deadline:
            print(f"The server was not ready at port {port} within {LIMIT_S:.0f} s.", file=sys.stderr)  # noqa: T201
            return 1
        time.sleep(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("GRID_PORT") or "8000"))
