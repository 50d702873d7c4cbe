"""What critics believe everywhere in the maze while they are trained, for four methods.

    python -m offline_tutor.book.precomputed.q_in_training maze/stitch-v0

writes q_in_training_maze_stitch.npz with, for each method and each of `FRAMES` moments,

    steps     gradient steps until then
    believed  what the critic thinks of A with the policy's action, by seed
    returns   mean undiscounted return of episodes from A, by seed: success in the maze
    values    the critic's value of the policy's action at every lattice point, of the seed in the
              middle when seeds are ordered by `believed` at the end; `middle` says which

Each method has the settings, and where there is one the alpha, of its row in the table of the
chapter on continuous CQL; what the file holds is in the environment's own units.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from offline_tutor.book.precomputed import alpha_sweep, cql_sac_sweep, rivals
from offline_tutor.book.precomputed.sweep import Arrays, Sweep, train_each
from offline_tutor.data import Dataset
from offline_tutor.environments import PointMaze
from offline_tutor.evaluation import evaluate
from offline_tutor.training import Run

METHODS = ("td3", "td3_bc", "sac", "cql")
ALPHAS = {"td3": np.inf, "td3_bc": 1.0, "sac": 0.0, "cql": 10.0}
TASKS = {"maze/stitch-v0": PointMaze("A")}  # dataset: environment
BATCH_SIZE = alpha_sweep.BATCH_SIZE
FRAMES = 12


def settings(name: str, method: str) -> tuple[Any, Any, float]:
    """The algorithm, its configuration, and what rewards are multiplied by for the training."""
    if method in ("td3", "td3_bc"):
        return *rivals.settings(name, ALPHAS[method]), 1.0
    return *cql_sac_sweep.settings(name, ALPHAS[method]), cql_sac_sweep.SCALES[name]


def describe(name: str) -> dict[str, Any]:
    """The configuration of each method, as the file records it."""
    found = {method: settings(name, method) for method in METHODS}
    return {
        method: asdict(config) | {"reward_scale": scale}
        for method, (_, config, scale) in found.items()
    }


def measure(
    dataset: Dataset, methods: Sequence[str], num_steps: int, seeds: int
) -> Iterator[Arrays]:
    """Trains with every method; what the file holds of each."""
    for method in methods:
        yield measure_one(dataset, method, num_steps, seeds)


def measure_one(dataset: Dataset, method: str, num_steps: int, seeds: int) -> Arrays:
    """Trains with one method; what the file holds of it."""
    algorithm, config, scale = settings(dataset.name, method)
    start = np.array([PointMaze.places["A"]], np.float32)
    believed, fields = [], []

    def look(run: Run) -> None:
        policies = [run.policy.seed(seed) for seed in range(seeds)]
        believed.append([policy.value(start)[0] / scale for policy in policies])
        fields.append([alpha_sweep.field(policy, scale)[0] for policy in policies])

    (run,) = train_each(
        cql_sac_sweep.scale_rewards(dataset, scale),
        [(algorithm, config)],
        num_steps=num_steps,
        batch_size=BATCH_SIZE,
        seeds=seeds,
        every=max(num_steps // FRAMES, 1),
        evaluate=lambda policy: evaluate(policy, TASKS[dataset.name], key=1),
        callbacks=[look],
    )
    middle = int(np.argsort(believed[-1])[seeds // 2])
    return {
        "steps": run.steps,
        "believed": np.array(believed, np.float32),
        "returns": run.evaluations.mean(-1),
        "values": np.array([frame[middle] for frame in fields], np.float16),
        "middle": np.array(middle),
    }


SWEEP = Sweep(
    name="q_in_training",
    axis="methods",
    ways=METHODS,
    datasets=tuple(TASKS),
    batch_size=BATCH_SIZE,
    seeds=10,
    describe=describe,
    measure=measure,
)

if __name__ == "__main__":
    print(SWEEP.main())
