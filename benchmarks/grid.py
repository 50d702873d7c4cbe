"""Ten alphas of TD3+BC in the maze as one grid, beside ten runs that each compile a program.

The latter is what a sweep was while alpha was part of the program. Processor time is compared: it
depends little on what else the machine does.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.protocol import ROOT
from offline_tutor.book.precomputed.alpha_sweep import BATCH_SIZE, settings
from offline_tutor.data import load_dataset
from offline_tutor.training import offline, train

DATASET = "maze/stitch-v0"
ALPHAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)
SEEDS, STEPS = 5, 6000
WAYS = ("as one grid", "in turn")


def measure(rounds: int) -> dict[str, float]:
    """Processor seconds of both ways, medians over rounds in which one follows the other."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for round_ in range(rounds):
        for way in WAYS:
            seconds[way].append(_in_new_process(way))
        print(f"  round {round_ + 1} of {rounds}", end="\r", flush=True)
    print()
    results = {f"{way}, processor s": statistics.median(seconds[way]) for way in WAYS}
    ratios = [grid / turns for grid, turns in zip(*seconds.values(), strict=True)]
    return {"grid / in turn, processor time": statistics.median(ratios), **results}


def _in_new_process(way: str) -> float:
    """What `main` prints, where nothing has been compiled before."""
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    command = [sys.executable, "-m", __name__, way]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return float(done.stdout)


def main(way: str) -> None:
    """Prints the processor seconds of all ten trainings, compilation included."""
    start = time.process_time()
    if way == "as one grid":
        train_with(ALPHAS)
    for alpha in ALPHAS if way == "in turn" else ():
        offline._take_steps.clear_cache()
        train_with([alpha])
    print(time.process_time() - start)


def train_with(alphas: Sequence[float]) -> None:
    algorithm, _ = settings(DATASET, 1.0)
    train(
        algorithm,
        load_dataset(DATASET),
        config=[settings(DATASET, alpha)[1] for alpha in alphas],
        num_steps=STEPS,
        batch_size=BATCH_SIZE,
        seeds=SEEDS,
        normalize=True,
        progress=False,
    )


if __name__ == "__main__":
    main(sys.argv[1])
