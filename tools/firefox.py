"""Firefox as it is installed, by WebDriver BiDi: Playwright drives only a Firefox of its own.

BiDi is JSON over a WebSocket; the few commands that the tests of the pages need are here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websocket import WebSocket, create_connection

VARIABLE = "OFFLINE_TUTOR_FIREFOX"
NAMES = ["firefox", "firefox-esr"]
MACOS = "/Applications/Firefox.app/Contents/MacOS/firefox"
MISSING = f"no Firefox: install it (Debian: apt install firefox-esr), or set {VARIABLE} to its path"
SECONDS = 60  # until an answer is given up
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
EVENTS = ["log.entryAdded", "network.beforeRequestSent", "network.fetchError"]
# Colours as on paper, nothing that moves by itself, and no request of the browser's own.
SETTINGS = {
    "layout.css.prefers-color-scheme.content-override": 1,
    "ui.prefersReducedMotion": 1,
    "app.normandy.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
}


class NoFirefox(Exception):
    """There is no Firefox on this machine."""


class BiDiError(Exception):
    """Firefox refused a command."""


def firefox() -> str:
    """Path of a Firefox: the variable's, else one on PATH or of macOS.

    Raises:
        NoFirefox: there is none; the message says what to do.
    """
    found = [os.environ.get(VARIABLE), *map(shutil.which, NAMES), MACOS]
    for path in found:
        if path and Path(path).is_file():
            return path
    raise NoFirefox(MISSING)


class Tab:
    """One tab, in which pages are opened one after the other; `events` are those of the last."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket, self.number = socket, 0
        self.events: list[dict[str, Any]] = []
        self.command("session.new", capabilities={})
        self.command("session.subscribe", events=EVENTS)
        self.context = self.command("browsingContext.getTree")["contexts"][0]["context"]

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer; events that come before it are kept.

        Raises:
            BiDiError: the command failed.
        """
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            self.events.append(answer)
        if answer["type"] == "error":
            raise BiDiError(f"{method}: {answer['error']}: {answer['message']}")
        return answer["result"]

    def open(self, address: str) -> None:
        """Opens a page and waits until it has loaded."""
        self.events.clear()
        place = {"context": self.context, "url": address}
        self.command("browsingContext.navigate", wait="complete", **place)

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        self.command("browsingContext.setViewport", context=self.context, viewport=size)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript, waited for if it is a promise.

        Raises:
            BiDiError: the script fails.
        """
        script = f"(async () => JSON.stringify(await ({expression})))()"
        where = {"context": self.context}
        said = self.command("script.evaluate", expression=script, target=where, awaitPromise=True)
        if said["type"] == "exception":
            raise BiDiError(said["exceptionDetails"]["text"])
        value = said["result"].get("value")
        return None if value is None else json.loads(value)

    def click(self, x: float, y: float) -> None:
        """Presses and releases the mouse there, in pixels of the window."""
        steps = [
            {"type": "pointerMove", "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.act({"type": "pointer", "id": "mouse", "actions": steps})

    def press(self, key: str) -> None:
        """Presses a key: a letter, or a code of WebDriver's for another."""
        steps = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.act({"type": "key", "id": "keyboard", "actions": steps})

    def act(self, source: dict[str, Any]) -> None:
        self.command("input.performActions", context=self.context, actions=[source])

    def faults(self, address: str) -> list[str]:
        """What went wrong since the page was opened, and what it asked other hosts for."""
        found = []
        for event in self.events:
            said, kind = event["params"], event["method"]
            url = said.get("request", {}).get("url", "")
            if kind == "log.entryAdded" and said["level"] in {"warn", "error"}:
                found.append(f"console {said['level']}: {said['text']}")
            elif kind == "network.fetchError":
                found.append(f"failed: {url}: {said['errorText']}")
            elif url and not url.startswith((address, "data:", "blob:", "about:")):
                found.append(f"asks another host for {url}")
        return found


@contextmanager
def firefox_tab() -> Iterator[Tab]:
    """A tab of a Firefox without a window, for as long as the block runs.

    Raises:
        NoFirefox: there is none; the message says what to do.
    """
    path = firefox()
    with tempfile.TemporaryDirectory() as profile:
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in SETTINGS.items()]
        Path(profile, "user.js").write_text("\n".join(lines), encoding="utf-8")
        command = [path, "--headless", "--remote-debugging-port=0", "--profile", profile]
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with subprocess.Popen([*command, "about:blank"], text=True, **streams) as process:
            try:
                lines_said = (LISTENING.search(line) for line in process.stderr or ())
                where = next(filter(None, lines_said))[1]
                socket = create_connection(
                    f"{where}/session", timeout=SECONDS, suppress_origin=True
                )
                yield Tab(socket)
            finally:
                with suppress(OSError):
                    process.terminate()
                process.communicate()
