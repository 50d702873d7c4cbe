"""The fenced code of a Markdown page, and whether it prints what the page says that it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tools.chapters import ROOT

PART = re.compile(r"^(#+) (?P<heading>[^\n]*)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
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


def differs(printed: str, told: str, tolerance: float = 0.1) -> str:
    """Empty where both have the same words, and numbers within a share of those told; else why."""
    if (words := NUMBER.sub("#", told).split()) != NUMBER.sub("#", printed).split():
        return f"the page says {told!r}, which has other words than {printed!r}: {words}"
    pairs = zip(NUMBER.findall(told), NUMBER.findall(printed), strict=True)
    wrong = [pair for pair in pairs if abs(float(pair[0]) - float(pair[1])) > allowed(pair[0], tolerance)]
    return f"the page says {told!r}; printed was {printed!r}: {wrong}" if wrong else ""


def allowed(told: str, tolerance: float) -> float:
    """How far a number may lie from the one told: a share of it, or one in its last digit."""
    last_digit = 10.0 ** -len(told.partition(".")[2]) if "." in told else 0
    return max(tolerance * abs(float(told)), 1.001 * last_digit)


def run_shell(commands: str, folder: Path | None = None) -> str:
    """What commands print that find the programs of this Python; they may only succeed."""
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
