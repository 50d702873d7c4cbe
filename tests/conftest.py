"""Makes tools/ and book/_ext/ importable; shows what pages weigh, and what `check` says.

The tests in tests/unit run where only the package and pytest are installed, so what other tests
need is imported where it is used.
"""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import jaxtyping
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "_build" / "page_weights.md"
CHECKS = ROOT / "_build" / "exercise_checks.md"
MALFORMED = ROOT / "_build" / "malformed.md"

sys.path.insert(0, str(ROOT))

# Where a shell runs the tests in the background, Ctrl-C is ignored, by what they start as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Shapes that annotations state are checked in all tests, from the first import of the package on.
# Without beartype, which the package itself does not need, the tests run unchecked.
if importlib.util.find_spec("beartype") is not None:
    assert "offline_tutor" not in sys.modules, "imported before its shapes could be checked"
    jaxtyping.install_import_hook("offline_tutor", "shape_checks.check")


@pytest.fixture(scope="module", autouse=True)
def forget_programs() -> Iterator[None]:
    """Frees what JAX compiled for a module of tests: all of it is more than a small machine has."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="session")
def sphinx_extension() -> Callable[[str], ModuleType]:
    """Loads one of the book's Sphinx extensions by its name, as no package has them."""

    def load(name: str) -> ModuleType:
        path = ROOT / "book" / "_ext" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one module: Playwright's loop would stop other tests from having one."""
    from tools.browser import NoBrowser, browsing

    try:
        with browsing() as browser:
            yield browser
    except NoBrowser as missing:
        pytest.skip(str(missing))


def noted(terminalreporter: pytest.TerminalReporter, name: str) -> list[tuple]:
    """What tests recorded under a name, in whatever process."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
    ]
    found = (dict(report.user_properties).get(name) for report in reports)
    return list(filter(None, found))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints and keeps the tables of page weights and of what `check` says to each answer."""
    if weights := noted(terminalreporter, "page weight"):
        show_weights(terminalreporter, weights)
    if checks := noted(terminalreporter, "exercise check"):
        show_checks(terminalreporter, checks)
    if malformed := noted(terminalreporter, "malformed"):
        write_malformed(malformed)


def show_weights(terminalreporter: pytest.TerminalReporter, noted: list[tuple]) -> None:
    from tools.pages import Weight, table_of_weights

    weights = {name: Weight(*sizes) for name, sizes in noted}
    table = table_of_weights(weights)
    WEIGHTS.write_text(table + "\n", encoding="utf-8")
    terminalreporter.section("page weights")
    terminalreporter.write_line(table)
    heaviest = max(weights, key=lambda name: weights[name].whole)
    terminalreporter.write_line(f"The heaviest page is {heaviest}.")


def write_malformed(noted: list[tuple]) -> None:
    """Keeps the list of malformed inputs with what is said to each."""
    said = [(name, " ".join(message.split()).replace("|", "\\|")) for name, message in noted]
    rows = [f"| {number} | {name} | {text} |" for number, (name, text) in enumerate(said, 1)]
    MALFORMED.parent.mkdir(exist_ok=True)
    head = ["| | Input | Message |", "|---|---|---|"]
    MALFORMED.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


def show_checks(terminalreporter: pytest.TerminalReporter, noted: list[tuple]) -> None:
    rows = [
        f"| `{id}` | {kind} | {status} | {seconds:.2f} | {text} |"
        for id, kind, status, text, seconds in sorted(noted, key=lambda check: check[0])
    ]
    head = [
        "| Exercise | Answer | Verdict | Seconds | What `check` says |",
        "|---|---|---|---|---|",
    ]
    table = "\n".join([*head, *rows])
    CHECKS.parent.mkdir(exist_ok=True)
    CHECKS.write_text(table + "\n", encoding="utf-8")
    terminalreporter.section("what check says to exercises' answers")
    terminalreporter.write_line(table)
