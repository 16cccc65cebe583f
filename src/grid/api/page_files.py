"""The built web page: its document and its assets, read once, and chosen by what a browser takes.

Nothing is opened by a requested name: what is not in the folder when it is read does not exist.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import HTMLResponse, Response

SHIPPED = Path(__file__).parent / "page"  # where the build of `ui/` puts it; listed under artifacts in pyproject.toml
STAMP = ".built"  # written last, so that half a build is none
NONCE_PLACE = "GRID-NONCE"  # as in ui/vite.config.ts
NONCE_BYTES = 16
FOREVER = "public, max-age=31536000, immutable"  # names have a hash of the content in them
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}
ENCODINGS = {"br": ".br", "gzip": ".gz"}  # the better one first

# Styles of a document need its nonce, since Mantine writes style elements; scripts come from this server alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
MISSING = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Grid</title>
</head>
<body>
<h1>Grid runs, without its web page</h1>
<p>The page is built when Grid is installed; here that was skipped, or it failed. Run <code>make page</code> in Grid's
folder, then load this address again: the server need not be restarted.</p>
<p>Everything else works: <a href="/docs">the REST API</a>, the command line and the Python client.</p>
</body>
</html>
"""


@dataclass(frozen=True)
class Asset:
    """One file of the page, as it is and packed.

    Attributes:
        media_type: What it is.
        plain: The bytes.
        packed: The same for each content coding in which it is smaller, the best first.
    """

    media_type: str
    plain: bytes
    packed: Mapping[str, bytes]

    def answer(self, accept_encoding: str) -> Response:
        """Answer with the smallest form that the header `Accept-Encoding` takes."""
        headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
        taken = accepted_codings(accept_encoding)
        for coding, body in self.packed.items():
            if coding in taken:
                return Response(body, media_type=self.media_type, headers={**headers, "Content-Encoding": coding})
        return Response(self.plain, media_type=self.media_type, headers=headers)


@dataclass(frozen=True)
class BuiltPage:
    """What one build of the page consists of."""

    document: str
    assets: Mapping[str, Asset]

    def answer(self) -> Response:
        """Answer with the document, which has a nonce of its own and is never kept."""
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        headers = {"Content-Security-Policy": POLICY.format(nonce=nonce), "Cache-Control": "no-store"}
        return HTMLResponse(self.document.replace(NONCE_PLACE, nonce), headers=headers)


class PageFolder:
    """The folder that a build is put into; read when it is first asked for, and again after another build."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self.folder = folder
        self._page: BuiltPage | None = None
        self._built_at = 0

    def find_page(self) -> BuiltPage | None:
        """Return the page; None where there is none."""
        try:
            built_at = (self.folder / STAMP).stat().st_mtime_ns
            if self._page is None or built_at != self._built_at:
                self._page, self._built_at = read_page(self.folder), built_at
        except OSError:
            self._page = None
        return self._page

    def find_asset(self, name: str) -> Asset | None:
        """Return the asset of this name; None where the build has none."""
        page = self._page or self.find_page()
        return page.assets.get(name) if page else None

    def answer(self, *, status: int = 200) -> Response:
        """Answer a navigation: with the page, or with how to get it under this status."""
        page = self.find_page()
        return page.answer() if page else HTMLResponse(MISSING, status_code=status)


def read_page(folder: Path) -> BuiltPage:
    """Read a build.

    Raises:
        OSError: A part of it is missing.
    """
    assets = {path.name: read_asset(path) for path in (folder / "assets").iterdir() if path.suffix in MEDIA_TYPES}
    return BuiltPage((folder / "index.html").read_text(encoding="utf-8"), assets)


def read_asset(path: Path) -> Asset:
    """Read a file and what was packed beside it."""
    beside = {coding: path.with_name(path.name + ending) for coding, ending in ENCODINGS.items()}
    packed = {coding: other.read_bytes() for coding, other in beside.items() if other.exists()}
    return Asset(MEDIA_TYPES[path.suffix], path.read_bytes(), packed)


def accepted_codings(header: str) -> frozenset[str]:
    """Return the content codings that a header `Accept-Encoding` names, without those that it refuses by `q=0`.

    `*` is read as naming none: whoever sends it alone can live with the plain bytes.
    """
    named = set()
    for part in header.lower().split(","):
        coding, _, parameter = part.partition(";")
        weight = parameter.strip().removeprefix("q=")
        if not parameter or weight.strip("0.") != "":
            named.add(coding.strip())
    return frozenset(named)
