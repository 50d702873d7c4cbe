"""The engine on a GPU: every algorithm with one seed and with many, and a million steps."""

import itertools
import statistics
import time
from typing import Any

import jax

from benchmarks.ours import configuration, make_dataset
from offline_tutor import training

SEEDS = (1, 16)
STEPS = {"td3_bc": 4000, "cql_sac": 1000, "cql_qr_dqn": 4000}  # in each of `PIECES` pieces
PIECES = 5
MILLION = 1_000_000


def measure(steps: dict[str, int] = STEPS, million: int = MILLION) -> dict[str, float]:
    """Steps a second of each algorithm, summed over seeds; and seconds for a million of TD3+BC."""
    results: dict[str, float] = {}
    for name in steps:
        for seeds in SEEDS:
            speed = steps_per_s(name, seeds, steps[name])
            results[f"{name}, {seeds} seeds: steps of all a second"] = speed * seeds
    start = time.perf_counter()
    run("td3_bc", 1, million, max(million // 10, 2))
    results["1M steps of TD3+BC, s, compilation included"] = time.perf_counter() - start
    return results


def steps_per_s(name: str, seeds: int, every: int) -> float:
    """Of the median piece; the first compiles and does not count."""
    marks: list[float] = []
    run(name, seeds, PIECES * every, every, callbacks=[lambda _: marks.append(time.perf_counter())])
    return every / statistics.median(b - a for a, b in itertools.pairwise(marks))


def run(name: str, seeds: int, num_steps: int, every: int, **options: Any) -> None:
    algorithm, config = configuration(name)
    dataset = make_dataset(name)
    options |= {"config": config, "batch_size": 256, "seeds": seeds, "progress": False}
    done = training.train(algorithm, dataset, num_steps=num_steps, every=every, **options)
    jax.block_until_ready(done.policy.state)
