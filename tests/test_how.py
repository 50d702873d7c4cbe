"""Every answer of the page "How do I ...?" runs, word by word, after the lines that open it."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
from code_blocks import Block, blocks, differs, run_shell

from tools.chapters import ROOT

PAGE = blocks(ROOT / "book" / "how.md")
FIRST = PAGE[0]
LEARNT = {  # whose numbers come from training, which other machines round differently
    "Choose an algorithm",
    "Watch the return while it trains",
    "Understand a loss that grows, or values that explode",
    "Judge a policy, or choose alpha, without a simulator",
    "Play in an environment of my own",
    "Report a normalised score",
    "Fine-tune it online",
}
QUESTIONS = list(dict.fromkeys(block.heading for block in PAGE[1:]))


@pytest.fixture(scope="module")
def opening() -> dict[str, Any]:
    """What the lines that the page opens with define."""
    names: dict[str, Any] = {}
    exec(FIRST.text, names)
    return names


def test_every_question_has_code() -> None:
    text = (ROOT / "book" / "how.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == QUESTIONS
    assert len(QUESTIONS) > 20


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_runs(
    question: str, opening: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_hopper(Path("hopper.hdf5"))
    module = ModuleType("how")  # since classes are looked for in the module that defines them
    monkeypatch.setitem(sys.modules, "how", module)
    names = vars(module)
    names |= opening | {"__name__": "how"}
    for block in PAGE:
        if block.heading == question:
            printed, tolerance = run(block, names), 0.5 if question in LEARNT else 0.0
            assert "nan" not in printed
            assert block.prints is None or not differs(printed, block.prints, tolerance)


def run(block: Block, names: dict[str, Any]) -> str:
    """What a piece of code prints; a table is written to the file that the page speaks of."""
    if block.language == "none":
        Path("trips.csv").write_text(block.text, encoding="utf-8")
        return ""
    if block.language == "bash":
        return run_shell(block.text)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block.text, f"book/how.md, {block.heading}", "exec"), names)
    return printed.getvalue()


def write_hopper(path: Path) -> None:
    """A small file in the form of D4RL's."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["observations"] = rng.normal(size=(20, 11))
        file["actions"] = rng.uniform(-1, 1, (20, 3))
        file["rewards"] = rng.normal(size=20)
        file["terminals"] = np.arange(20) == 7
        file["timeouts"] = np.arange(20) == 15
