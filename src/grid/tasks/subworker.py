"""A worker as the child of another process: `python -m grid.tasks.subworker PARENT`; it drains when that one ends."""

import signal
import sys

from grid.core.errors import GridError
from grid.core.settings import Settings
from grid.runtime.processes import end_with_parent
from grid.tasks.assembly import run_worker


def main() -> int:
    """Run a worker whose work is shown as tasks, until a signal or the end of the parent; return the exit code."""
    end_with_parent(int(sys.argv[1]), signal.SIGTERM)
    try:
        return run_worker(Settings(), is_watched=True)
    except GridError as error:
        print(f"grid: {error}", file=sys.stderr)  # noqa: T201 - as every command ends that cannot begin
        return 1


if __name__ == "__main__":
    sys.exit(main())
