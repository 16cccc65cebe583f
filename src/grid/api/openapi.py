"""Print the OpenAPI document without starting a server: `python -m grid.api.openapi > ui/openapi.json`.

The web page's client is generated from that file; `make lint` fails where it is not what the routes say. The document
depends on the routes alone: no setting of this machine, and no database, is read for it.
"""

import json
import sys

from grid.api.app import create_app
from grid.core.settings import Settings


def render_document() -> str:
    """Return the document as JSON with sorted names, one a line, so that two branches merge line by line."""
    document = create_app(Settings.model_construct()).openapi()
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_document())
