"""Makes tools/ and book/_ext/ importable; shows what pages weigh, and what `check` says."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.browser import NoBrowser, browsing
from tools.chapters import ROOT
from tools.pages import Weight, table_of_weights

WEIGHTS = ROOT / "_build" / "page_weights.md"
CHECKS = ROOT / "_build" / "exercise_checks.md"


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
    weights = {name: Weight(*sizes) for name, sizes in noted(terminalreporter, "page weight")}
    if weights:
        WEIGHTS.write_text(table_of_weights(weights) + "\n", encoding="utf-8")
        terminalreporter.section("page weights")
        terminalreporter.write_line(WEIGHTS.read_text(encoding="utf-8"))
        heaviest = max(weights, key=lambda name: weights[name].whole)
        terminalreporter.write_line(f"The heaviest page is {heaviest}.")
    if checks := noted(terminalreporter, "exercise check"):
        rows = [
            f"| `{id}` | {kind} | {status} | {seconds:.2f} | {text} |"
            for id, kind, status, text, seconds in sorted(checks, key=lambda check: check[0])
        ]
        head = [
            "| Exercise | Answer | Verdict | Seconds | What `check` says |",
            "|---|---|---|---|---|",
        ]
        CHECKS.parent.mkdir(exist_ok=True)
        CHECKS.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")
        terminalreporter.section("what check says to exercises' answers")
        terminalreporter.write_line(CHECKS.read_text(encoding="utf-8"))
