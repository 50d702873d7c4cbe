"""The fenced code of a Markdown page, and whether it prints what the page says that it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tools.chapters import ROOT

PART = re.compile(
    r"^#+ (?P<heading>[^\n]*)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Block(NamedTuple):
    """A piece of fenced code."""

    heading: str  # that it stands under
    language: str
    text: str
    prints: str | None  # what the block of `text` right after it says


def blocks(page: Path) -> list[Block]:
    """The fenced code of a page, in order; what a block prints belongs to the block."""
    found: list[Block] = []
    heading, end, text = "", -1, page.read_text(encoding="utf-8")
    for match in PART.finditer(text):
        if match["heading"] is not None:
            heading = match["heading"]
        elif match["language"] == "text" and found and not text[end : match.start()].strip():
            found[-1] = found[-1]._replace(prints=match["text"])
        else:
            found.append(Block(heading, match["language"], match["text"], None))
        end = match.end()
    return found


def differs(printed: str, told: str, tolerance: float) -> str:
    """Empty where both have the same words, and numbers within a share of those told; else why."""
    if NUMBER.sub("#", told).split() != NUMBER.sub("#", printed).split():
        return f"other words: the page says\n{told}\nand printed was\n{printed}"
    for one, other in zip(NUMBER.findall(told), NUMBER.findall(printed), strict=True):
        digits = len(one.partition(".")[2])
        if abs(float(one) - float(other)) > max(tolerance * abs(float(one)), 0.6 * 10.0**-digits):
            return f"{one} is now {other}: the page says\n{told}\nand printed was\n{printed}"
    return ""


def run_shell(commands: str, folder: Path | None = None) -> str:
    """What commands print; they find the programs of this Python first, and must succeed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout
