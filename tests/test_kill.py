"""Commands that are killed: a few moments of `python -m tools.kill`, which tries fifty."""

import subprocess
import sys

import pytest

from tools.chapters import ROOT

TRIALS = {"train": 2, "save": 1}  # moments; `tools.kill` has more commands


@pytest.mark.parametrize("trial", TRIALS)
def test_killed_commands_come_to_the_same_bits(trial: str) -> None:
    command = [sys.executable, "-m", "tools.kill", "--moments", str(TRIALS[trial])]
    done = subprocess.run(
        [*command, "--trials", trial, "--seed", "1"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("same bits, nothing left") == TRIALS[trial]
