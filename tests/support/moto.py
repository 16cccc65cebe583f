"""The S3 server of `moto`, in a process of its own. It keeps everything in memory, and is no measure of speed."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from tests.support.s3 import with_credentials

START_LIMIT_S = 60.0


@contextmanager
def serving_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve on a free port until the end of the block; yields the address."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not _answers(port):
            assert process.poll() is None, "moto has ended"
            assert time.monotonic() < deadline, "moto does not answer"
            time.sleep(0.05)
        with with_credentials(monkeypatch):
            yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10.0)


def _answers(port: int) -> bool:
    with closing(socket.socket()) as connection:
        connection.settimeout(1.0)
        return connection.connect_ex(("127.0.0.1", port)) == 0
