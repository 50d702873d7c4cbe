"""The Makefile, as far as it says what is missing and sets up what chapters count on."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tools.chapters import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")

# It stands for pip and for whatever else `make` runs in .venv, and says that each went well.
PYTHON = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", *arguments]
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}  # of the `make test` that runs this
    return subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in outer},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("target", ["book", "test", "quick", "sync", "colab", "workflows"])
def test_a_python_that_is_not_there_is_named_in_one_line(folder: Path, target: str) -> None:
    made = make(folder, "PYTHON=python9", target)
    assert made.returncode != 0
    said = [line for line in made.stderr.splitlines() if not line.startswith("make: ***")]
    assert said == [
        f"There is no python9 here. Name Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 {target}"
    ]


def test_jupyterlab_starts_where_the_links_of_chapters_lead_somewhere(folder: Path) -> None:
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    assert make(folder, ".venv/installed").returncode == 0
    written = folder / ".venv" / "etc" / "jupyter" / "jupyter_server_config.json"
    assert json.loads(written.read_text(encoding="utf-8")) == {
        "ServerApp": {"root_dir": str(folder)}
    }
