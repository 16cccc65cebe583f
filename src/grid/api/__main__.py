"""`python -m grid.api`: the server in the foreground, as `grid serve` and `grid up` run it."""

import sys

from grid.api.serving import serve

if __name__ == "__main__":
    sys.exit(serve())
