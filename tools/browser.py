"""A browser for the built book, and a server that only this machine can reach."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tools.chapters import ROOT

BOOK = ROOT / "_build" / "html"
VARIABLE = "OFFLINE_TUTOR_CHROMIUM"
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"]
MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
MISSING = (
    "no Chromium: install it (Debian: apt install chromium; elsewhere: "
    f"playwright install chromium), or set {VARIABLE} to the path of one"
)


def chromium(of_playwright: str | None = None) -> str | None:
    """Path of a Chromium: the variable's, one on PATH or of macOS, else Playwright's own, if any.

    Raises:
        FileNotFoundError: the variable names a file that is not there.
    """
    if named := os.environ.get(VARIABLE):
        if not Path(named).is_file():
            raise FileNotFoundError(f"{VARIABLE}={named}: there is no such file")
        return named
    candidates = [*map(shutil.which, NAMES), str(MACOS), of_playwright]
    return next((path for path in candidates if path and Path(path).is_file()), None)


class NoBrowser(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def browsing() -> Iterator[Browser]:
    """A Chromium, for as long as the block runs.

    Raises:
        NoBrowser: there is none; the message says what to do.
        FileNotFoundError: as `chromium` does.
    """
    with sync_playwright() as playwright:
        path = chromium(playwright.chromium.executable_path)
        if path is None:
            raise NoBrowser(MISSING)
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


class Server(ThreadingHTTPServer):
    """Serves a folder on a free port of 127.0.0.1 and records what was asked for in vain."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.missing: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Shows the error, unless the browser merely closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def __init__(self, request: object, client: object, server: Server) -> None:
        super().__init__(request, client, server, directory=str(server.folder))

    def log_request(self, code: int | HTTPStatus | str = "-", size: object = "-") -> None:
        if isinstance(code, int) and code >= 400:  # an HTTPStatus is an int
            self.server.missing.append(self.path)

    def log_message(self, format: str, *arguments: object) -> None:
        """Prints nothing: requests would bury the tests' own output."""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server of the folder, for as long as the block runs."""
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
