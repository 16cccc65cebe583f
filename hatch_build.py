"""The build hook: puts the built web page into the package before a wheel, an sdist or an editable install is made.

An sdist carries the built page, so that a wheel made from it needs no Node. A page that cannot be built is told in one
sentence, and Grid goes in without it.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Builds the page where `ui/` is not what the page in the package was built from."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build before the files of the package are collected."""
        sys.path.insert(0, str(Path(self.root) / "scripts"))
        try:
            import page
        finally:
            sys.path.pop(0)
        page.ensure()
