"""Makes the programs in tools/ and book/_ext/ importable; shows what the pages weigh."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.chapters import ROOT
from tools.pages import Weight, table_of_weights

WEIGHTS = ROOT / "_build" / "page_weights.md"


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table of page weights, which tests of pages measured in whatever process."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
    ]
    measured = [dict(report.user_properties).get("page weight") for report in reports]
    weights = {name: Weight(*sizes) for name, sizes in filter(None, measured)}
    if weights:
        WEIGHTS.write_text(table_of_weights(weights) + "\n")
        terminalreporter.section("page weights")
        terminalreporter.write_line(WEIGHTS.read_text())
        heaviest = max(weights, key=lambda name: weights[name].whole)
        terminalreporter.write_line(f"The heaviest page is {heaviest}.")
