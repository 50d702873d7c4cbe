"""The first code cell of every chapter, where the package is installed and where it is not."""

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CELL = (Path(__file__).parent / "setup_cell.py").read_text(encoding="utf-8")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the cell would have run. It works unless what is wanted is impossible."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, returncode=int("impossible" in command))

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_does_nothing_where_the_package_is(commands: list[list[str]]) -> None:
    exec(CELL, {})
    assert commands == []


@pytest.mark.parametrize("wanted", [None, "/somewhere/offline_tutor-0.1.0-py3-none-any.whl"])
def test_installs_the_package_and_leaves_jax_alone(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, wanted: str | None
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("OFFLINE_TUTOR_SPEC", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OFFLINE_TUTOR_SPEC", wanted)
    exec(CELL, {})
    names = ("jax", "jaxlib", "flax", "numpy")
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in names]
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    assert commands == [[*pip, wanted or "offline-tutor", *pins]]


def test_says_in_one_line_when_the_runtime_is_too_old(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("OFFLINE_TUTOR_SPEC", "impossible")
    jax = importlib.metadata.version("jax")
    with pytest.raises(SystemExit, match=rf"No impossible beside Python 3.*jax=={jax}.*too old"):
        exec(CELL, {})
    assert len(commands) == 1
