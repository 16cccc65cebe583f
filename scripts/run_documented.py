#!/usr/bin/env python3
"""Run the commands that a document prints, so that no document shows a command that nobody ran.

    python3 scripts/run_documented.py README.md docs/commands.md

Code blocks that begin with ```bash run are put together, a document at a time, and run by one bash with -e, so that a
variable set in one block is there in the next. Blocks without `run` are left out: they need what CI has not, and the
text beside them says what.
"""

import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```bash run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_S = 300


def main() -> int:
    for name in sys.argv[1:]:
        blocks = BLOCK.findall(Path(name).read_text(encoding="utf-8"))
        if not blocks:
            print(f"{name}: no runnable commands", file=sys.stderr)
            return 1
        script = "set -euo pipefail\n" + "\n".join(blocks)
        print(f"== {name}: {sum(block.count(chr(10)) for block in blocks)} lines", flush=True)
        done = subprocess.run(["bash", "-x", "-c", script], timeout=TIMEOUT_S, check=False)
        if done.returncode != 0:
            print(f"{name}: a command ended with {done.returncode}", file=sys.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
