"""CQL on SAC on one dataset with many alphas, from SAC (no penalty) to far too much of it.

    python -m offline_tutor.book.precomputed.cql_sac_sweep maze/stitch-v0

writes cql_sac_sweep_maze_stitch.npz with, for each alpha (the first, 0, is SAC itself, whose
targets count entropy) and each seed, what `alpha_sweep` measures,

    returns   mean undiscounted return of fresh episodes: success in the maze
    believed  what the first critic thinks the first actions of these episodes are worth
    true      the discounted return that then came
    distance  mean squared distance of the policy's actions to the data's
    q         mean of the critics' targets over the last sixth of the training

and for the maze `fields`, value and action at every lattice point, of the seed in the middle when
seeds are ordered by `believed`. Rewards are multiplied for the training by `SCALES`; all that the
file holds is in the environment's own units.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from offline_tutor.algorithms import CQL_SAC, SAC
from offline_tutor.book.precomputed import alpha_sweep
from offline_tutor.book.precomputed.sweep import Arrays, Sweep, train_each
from offline_tutor.data import Dataset

ALPHAS = (0.0, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)
TASKS = alpha_sweep.TASKS  # dataset: environment, discount
SCALES = {"maze/stitch-v0": 100.0}  # the penalty listens to exp(Q): to it a reward of 1 is faint
NETWORKS: dict[str, Any] = {
    "hidden": (64, 64),
    "actor_learning_rate": 3e-4,
    "critic_learning_rate": 1e-3,
    "temperature_learning_rate": 1e-3,
    "tau": 0.02,
}
BATCH_SIZE = 64
NUM_SAMPLES = 3  # from each of the three distributions: a third of the paper's, and of its price


def settings(name: str, alpha: float) -> tuple[Any, Any]:
    """The algorithm and its configuration for a dataset."""
    common = NETWORKS | {"discount": TASKS[name][1]}
    if alpha == 0:
        return SAC, SAC.Config(**common)
    return CQL_SAC, CQL_SAC.Config(**common, alpha=alpha, num_samples=NUM_SAMPLES)


def describe(name: str) -> dict[str, Any]:
    """The configuration that all alphas of a dataset share, as the file records it."""
    common = asdict(settings(name, 1.0)[1])
    return common | {"alpha": "alphas", "reward_scale": SCALES.get(name, 1.0)}


def measure(
    dataset: Dataset, alphas: Sequence[float], num_steps: int, seeds: int
) -> Iterator[Arrays]:
    """Trains with every alpha; what the file holds of each."""
    scale = SCALES.get(dataset.name, 1.0)
    each = [settings(dataset.name, alpha) for alpha in alphas]
    options = {"num_steps": num_steps, "batch_size": BATCH_SIZE, "seeds": seeds}
    sixth = max(num_steps // 6, 1)
    for run in train_each(scale_rewards(dataset, scale), each, every=sixth, **options):
        found = alpha_sweep.measure_run(run, dataset, scale)
        yield {**found, "q": run.metrics["q"][-1] / scale}


def scale_rewards(dataset: Dataset, factor: float) -> Dataset:
    """The same dataset, with every reward multiplied."""
    transitions = dataset.transitions
    rewards = np.float32(factor) * transitions.rewards
    return replace(dataset, transitions=transitions._replace(rewards=rewards))


SWEEP = Sweep(
    name="cql_sac_sweep",
    ways=ALPHAS,
    datasets=tuple(TASKS),
    batch_size=BATCH_SIZE,
    seeds=10,
    describe=describe,
    measure=measure,
)

if __name__ == "__main__":
    print(SWEEP.main())
