"""A browser for the built book, and a server that only this machine can reach."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import sys
import tarfile
import threading
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
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


# axe-core, newer than the copy in axe-playwright-python, and the hash that npm states for it.
AXE = "https://registry.npmjs.org/axe-core/-/axe-core-4.14.1.tgz"
AXE_SHA512 = (
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)


def axe() -> str:
    """The script of axe-core, kept in _build; without a network, an older one.

    Raises:
        ValueError: npm sent another file.
    """
    kept = ROOT / "_build" / Path(AXE).with_suffix(".js").name
    if not kept.is_file():
        try:
            with urllib.request.urlopen(AXE, timeout=30) as answer:
                archive = answer.read()
        except OSError as error:
            warnings.warn(
                f"{AXE} cannot be fetched ({error}): an older axe-core looks instead, and finds "
                "less. Run the tests once with a network.",
                stacklevel=2,
            )
            return AXE_SCRIPT
        if base64.b64encode(hashlib.sha512(archive).digest()).decode() != AXE_SHA512:
            raise ValueError(f"{AXE} is not the file whose hash tools/browser.py has")
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            script = files.extractfile("package/axe.min.js")
            assert script is not None
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_bytes(script.read())
        partial.replace(kept)
    return kept.read_text(encoding="utf-8")


def pages() -> list[str]:
    """The pages of the built book, but for slides and for the one at the root, which leads on."""
    found = [path.relative_to(BOOK) for path in BOOK.rglob("*.html")]
    names = [path.as_posix() for path in found if not {"_static", "slides"} & set(path.parts)]
    return sorted(set(names) - {"index.html"})


# Inline formulas that a sign follows on the next line.
PARTED = """[...document.querySelectorAll(".math:not(div)")].filter(formula => {
    const next = formula.nextSibling;
    if (next?.nodeType != 3 || !/^\\S/.test(next.data)) return false;
    const range = document.createRange();
    range.setStart(next, 0), range.setEnd(next, 1);
    const sign = range.getBoundingClientRect(), box = formula.getBoundingClientRect();
    return box.width && sign.left < box.right - 5}).map(one => one.parentElement.textContent)"""
STICKING_OUT = """[...document.querySelectorAll("body *")].filter(element => {
    if (element.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let up = element; up; up = up.parentElement)
        if (getComputedStyle(up).overflowX != "visible") return false;
    return true}).slice(0, 3).map(element => element.outerHTML.slice(0, 120))"""
# Code, printed text and tables that scroll sideways in their boxes.
CUT = """[...document.querySelectorAll(
    ".cell pre, .bd-article div.highlight pre, .cell_output, .ot-table"
    )].filter(box => box.scrollWidth > box.clientWidth + 1).slice(0, 4).map(box =>
    `${box.scrollWidth - box.clientWidth} of ${box.textContent.trim().slice(0, 60)}`)"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


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
    """Serves a folder on a free port of 127.0.0.1 and records requests for missing files."""

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
