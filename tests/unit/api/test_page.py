"""The web page as a browser gets it: its document under its policy, its assets by name and coding, and nothing else."""

import gzip
import re

import pytest

from grid.api.page_files import FOREVER, PageFolder, accepted_codings
from grid.api.problems import MEDIA_TYPE

NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html,application/xhtml+xml"}
DOCUMENT = """<!doctype html><meta property="csp-nonce" nonce="GRID-NONCE">
<script type="module" src="/assets/index-1a2b.js" nonce="GRID-NONCE"></script>"""
SCRIPT = b"export const grid = 1;\n" * 20
ZIPPED = gzip.compress(SCRIPT, mtime=0)
POLICY = (
    r"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-([\w-]{20,})'; img-src 'self'; font-src 'self'; "
    r"connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    r"frame-ancestors 'none'"
)


@pytest.fixture
def folder(tmp_path, app):
    """A built page of four files, and one that no build makes."""
    assets = tmp_path / "page" / "assets"
    assets.mkdir(parents=True)
    (assets / "index-1a2b.js").write_bytes(SCRIPT)
    (assets / "index-1a2b.js.br").write_bytes(b"packed by brotli")
    (assets / "index-1a2b.js.gz").write_bytes(ZIPPED)
    (assets / "icon-3c4d.svg").write_bytes(b"<svg/>")
    (assets / "notes.txt").write_bytes(b"not of the page")
    (assets.parent / "index.html").write_text(DOCUMENT, encoding="utf-8")
    (assets.parent / ".built").write_text("hash", encoding="utf-8")
    app.state.page = PageFolder(assets.parent)
    return assets.parent


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/01c7?tab=log", "/no/such/view"])
def test_a_navigation_gets_the_document_with_a_nonce_of_its_own(anonymous, folder, path):
    answers = [anonymous.get(path, headers=NAVIGATE) for _ in range(2)]

    nonces = []
    for answer in answers:
        policy = re.fullmatch(POLICY, answer.headers["content-security-policy"])
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert policy is not None
        assert answer.text.count(f'nonce="{policy[1]}"') == 2
        assert "GRID-NONCE" not in answer.text
        nonces.append(policy[1])
    assert nonces[0] != nonces[1]


def test_an_old_browser_is_known_by_what_it_accepts(anonymous, folder):
    assert anonymous.get("/jobs", headers={"Accept": "text/html,*/*"}).text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/jobs", {}),
        ("GET", "/jobs", {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}),
        ("POST", "/jobs", NAVIGATE),
        ("GET", "/api/v1/no-such-thing", NAVIGATE),
        ("GET", "/api", NAVIGATE),
        ("GET", "/docs/no-such-file", NAVIGATE),
        ("GET", "/assets/index-0000.js", NAVIGATE),
        ("GET", "/assets/%2e%2e%2findex.html", NAVIGATE),
        ("GET", "/assets/notes.txt", NAVIGATE),
        ("GET", "/assets/index-1a2b.js.br", NAVIGATE),
    ],
)
def test_whatever_is_no_navigation_within_the_page_is_a_problem(anonymous, folder, method, path, headers):
    answer = anonymous.request(method, path, headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE)


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"packed by brotli"),
        ("gzip", "gzip", ZIPPED),
        ("br;q=0, gzip;q=0.5", "gzip", ZIPPED),
        ("identity", None, SCRIPT),
        ("", None, SCRIPT),
    ],
)
def test_an_asset_is_kept_for_ever_and_sent_as_small_as_the_browser_takes_it(anonymous, folder, accepted, coding, body):
    request = anonymous.build_request("GET", "/assets/index-1a2b.js", headers={"Accept-Encoding": accepted})
    answer = anonymous.send(request, stream=True)

    assert b"".join(answer.iter_raw()) == body
    assert answer.headers.get("content-encoding") == coding
    assert (answer.headers["cache-control"], answer.headers["vary"]) == (FOREVER, "Accept-Encoding")
    assert answer.headers["content-type"].startswith("text/javascript")


def test_the_icon_is_found_where_browsers_look_for_it(anonymous, folder):
    answer = anonymous.get("/favicon.ico")

    assert (answer.headers["content-type"], answer.content) == ("image/svg+xml", b"<svg/>")


def test_without_a_build_the_server_says_how_to_get_one(anonymous, app, tmp_path):
    app.state.page = PageFolder(tmp_path / "nothing")

    answers = {path: anonymous.get(path, headers=NAVIGATE) for path in ("/", "/jobs")}

    assert [answer.status_code for answer in answers.values()] == [200, 404]
    for answer in answers.values():
        assert "make page" in answer.text
        assert 'href="/docs"' in answer.text
    assert anonymous.get("/assets/index-1a2b.js").status_code == 404
    assert anonymous.get("/favicon.ico").status_code == 404


def test_half_a_build_is_none_and_a_new_one_is_found_without_a_restart(anonymous, folder):
    assert anonymous.get("/", headers=NAVIGATE).status_code == 200
    (folder / ".built").unlink()
    assert "make page" in anonymous.get("/", headers=NAVIGATE).text

    (folder / "index.html").write_text("<!doctype html>second", encoding="utf-8")
    (folder / ".built").write_text("other", encoding="utf-8")

    assert anonymous.get("/", headers=NAVIGATE).text == "<!doctype html>second"


@pytest.mark.parametrize(
    ("header", "codings"),
    [("br", {"br"}), ("GZIP;q=1.0, br;q=0.0", {"gzip"}), ("*", {"*"}), (" br ; q=0.1 ", {"br"}), ("br;q=0", set())],
)
def test_a_weight_of_nothing_refuses_a_coding(header, codings):
    assert accepted_codings(header) - {""} == codings
