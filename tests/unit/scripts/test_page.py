"""The build of the web page: when it is due, and what a failed one leaves. npm itself is a stand-in here."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "page.py"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The script over a source tree of its own, with an npm that writes one file."""
    spec = importlib.util.spec_from_file_location("page", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, path in (("UI", "ui"), ("PAGE", "package/page"), ("CACHE", "cache"), ("NODE_LOCK", "page.txt")):
        monkeypatch.setattr(module, name, tmp_path / path)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "LOG", tmp_path / "cache" / "build.log")
    monkeypatch.setattr(module, "node_environment", lambda _python=None: {})
    monkeypatch.setattr(module, "npm", lambda: (sys.executable, str(tmp_path / "npm.py")))
    monkeypatch.delenv("GRID_SKIP_PAGE", raising=False)
    (tmp_path / "npm.py").write_text(
        "import os, pathlib, sys\n"
        "open(pathlib.Path(__file__).with_name('asked'), 'a').write(sys.argv[1] + ' ')\n"
        "if sys.argv[1] == 'ci': pathlib.Path('node_modules').mkdir()\n"
        "else:\n"
        "    out = pathlib.Path(os.environ['GRID_PAGE_OUT'])\n"
        "    (out / 'assets').mkdir(parents=True)\n"
        "    (out / 'index.html').write_text(pathlib.Path('index.html').read_text())\n",
        encoding="utf-8",
    )
    for name in ("index.html", "package.json", "package-lock.json", "src/a.ts", "src/a.test.ts", "README.md"):
        path = tmp_path / "ui" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    (tmp_path / "page.txt").write_text("node==24", encoding="utf-8")
    return module


def asked(page):
    """Return what npm was asked for so far."""
    path = page.ROOT / "asked"
    return path.read_text().split() if path.exists() else []


def test_a_page_is_built_once_and_again_when_a_source_has_changed(page):
    assert page.ensure()
    assert page.ensure()
    assert asked(page) == ["ci", "run"]

    (page.UI / "index.html").write_text("second", encoding="utf-8")
    assert page.ensure()

    assert asked(page) == ["ci", "run", "run"]  # the packages are still those of the lock
    assert (page.PAGE / "index.html").read_text() == "second"


@pytest.mark.parametrize("name", ["README.md", "src/a.test.ts", "node_modules/x.js", "src/api/schema.d.ts"])
def test_what_is_not_built_starts_no_build(page, name):
    page.ensure()
    (page.UI / name).parent.mkdir(parents=True, exist_ok=True)
    (page.UI / name).write_text("changed", encoding="utf-8")

    assert page.is_built()


@pytest.mark.parametrize("name", ["src/a.ts", "package-lock.json", "src/new.css"])
def test_what_is_built_starts_one(page, name):
    page.ensure()
    (page.UI / name).write_text("changed", encoding="utf-8")

    assert not page.is_built()


def test_a_renamed_file_starts_one(page):
    page.ensure()
    (page.UI / "src/a.ts").rename(page.UI / "src/b.ts")

    assert not page.is_built()


def test_another_node_starts_one(page):
    page.ensure()
    page.NODE_LOCK.write_text("node==26", encoding="utf-8")

    assert not page.is_built()


def test_it_can_be_left_out(page, monkeypatch):
    monkeypatch.setenv("GRID_SKIP_PAGE", "1")

    assert page.ensure()
    assert not page.PAGE.exists()


def test_a_failed_build_is_one_sentence_and_is_not_tried_at_each_start(page, capsys):
    page.ensure()
    (page.ROOT / "npm.py").write_text("import sys; print('npm: no network', file=sys.stderr); sys.exit(7)")
    (page.UI / "src/a.ts").write_text("changed", encoding="utf-8")
    capsys.readouterr()

    assert not page.ensure()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert "could not be built" in said[1]
    assert "ended with 7" in said[1]
    assert "no network" in page.LOG.read_text()
    assert not page.PAGE.exists()  # never an older page over a newer server

    assert not page.ensure()
    assert "`make page` tries again" in capsys.readouterr().out
    assert not page.ensure(again=True)
    assert "could not be built" in capsys.readouterr().out


def test_a_page_that_is_too_large_is_told_by_its_bytes(page, monkeypatch):
    page.ensure()
    for name in ("index.js", "lazy.js"):
        (page.PAGE / "assets" / name).write_bytes(b"x" * 400)
    (page.PAGE / "assets" / "index.js.br").write_bytes(b"x" * 300)
    (page.PAGE / "index.html").write_text("/assets/index.js", encoding="utf-8")
    monkeypatch.setattr(page, "JS_BYTES", 300)
    page.require_small()
    monkeypatch.setattr(page, "JS_BYTES", 299)

    with pytest.raises(page.PageError, match=r"300 bytes of \.js in 1 files; the most are 299"):
        page.require_small()


def test_what_a_page_loads_alone_is_told_by_its_bytes_without_what_others_share(page, monkeypatch):
    page.ensure()
    one = {"file": "assets/one.js", "css": ["assets/one.css"], "imports": ["_shared.js", "index.html"]}
    two = {"file": "assets/two.js", "imports": ["_shared.js"], "dynamicImports": ["src/a/late.ts"]}
    chunks = {
        "src/a/one.lazy.tsx": one,
        "src/a/late.ts": {"file": "assets/late.js", "assets": ["assets/worker.js", "assets/icon.svg"]},
        "src/b/two.lazy.tsx": two,
        "_shared.js": {"file": "assets/shared.js"},
        "index.html": {"file": "assets/first.js"},
    }
    (page.PAGE / "manifest.json").write_text(json.dumps(chunks), encoding="utf-8")
    (page.PAGE / "index.html").write_text("/assets/first.js", encoding="utf-8")
    for index, name in enumerate(("one.js", "one.css", "late.js", "worker.js", "two.js", "shared.js", "first.js")):
        (page.PAGE / "assets" / name).write_bytes(b"x" * 10**index)
    monkeypatch.setattr(page, "LAZY_BYTES", {"one": (("a/one.lazy.tsx", "a/late.ts"), 1_111)})
    page.require_small_parts()
    monkeypatch.setattr(page, "LAZY_BYTES", {"one": (("a/one.lazy.tsx", "a/late.ts"), 1_110)})

    with pytest.raises(page.PageError, match="one loads 1111 bytes in 4 files of its own; the most are 1110"):
        page.require_small_parts()


def test_a_size_that_is_counted_for_no_module_is_told(page):
    page.ensure()

    with pytest.raises(page.PageError, match=r"the modules of a live run are not .* any more"):
        page.require_small_parts()


@pytest.mark.parametrize(("listed", "copies"), [("", 0), ("/ui\n/a/get-nonce\n/b/get-nonce\n", 2)])
def test_a_second_copy_of_the_nonce_is_refused(page, listed, copies):
    with pytest.raises(page.PageError, match=f"there are {copies} copies"):
        page.require_one_nonce(listed)
    page.require_one_nonce("/ui\n/a/get-nonce\n/a/get-nonce\n")
