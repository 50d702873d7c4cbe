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

import sys
from dataclasses import asdict, replace
from typing import Any

import jax
import numpy as np

from offline_tutor.algorithms import cql_sac, sac
from offline_tutor.book.precomputed import alpha_sweep, sweep
from offline_tutor.data import Dataset
from offline_tutor.training import train

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
SEEDS = 10


def settings(name: str, alpha: float) -> tuple[Any, Any]:
    """The algorithm and its configuration for a dataset."""
    common = NETWORKS | {"discount": TASKS[name][1]}
    if alpha == 0:
        return sac, sac.Config(**common)
    return cql_sac, cql_sac.Config(**common, alpha=alpha, num_samples=NUM_SAMPLES)


def describe(name: str) -> dict[str, Any]:
    """The configuration that all alphas of a dataset share, as the file records it."""
    common = asdict(settings(name, 1.0)[1])
    return common | {"alpha": "alphas", "reward_scale": SCALES.get(name, 1.0)}


def stem(name: str) -> str:
    """What a dataset's file is called: "cql_sac_sweep_maze_stitch"."""
    return f"cql_sac_sweep_{name.removesuffix('-v0').replace('/', '_')}"


def measure(name: str, dataset: Dataset, alpha: float, num_steps: int, seeds: int) -> dict:
    """Trains with one alpha; what the file holds of it."""
    algorithm, config = settings(name, alpha)
    scale = SCALES.get(name, 1.0)
    run = train(
        algorithm,
        scale_rewards(dataset, scale),
        config=config,
        num_steps=num_steps,
        batch_size=BATCH_SIZE,
        seeds=seeds,
        every=max(num_steps // 6, 1),
        normalize=True,
        progress=False,
    )
    # A trained policy no longer knows its alpha: under one parent all are measured by one program.
    parent, parent_config = settings(name, 0)
    policy = replace(run.policy, algorithm=parent, config=parent_config)
    keys = jax.random.split(jax.random.key(1), seeds)
    environment, discount = TASKS[name]
    found = alpha_sweep.assess(policy, keys, environment, dataset.transitions, discount)
    found |= {"believed": found["believed"] / scale, "q": run.metrics["q"][-1] / scale}
    if name.startswith("maze/"):
        middle = int(np.argsort(found["believed"])[seeds // 2])
        value_and_action = alpha_sweep.field(policy.seed(middle))
        value_and_action[0] /= scale
        found["fields"] = np.float16(value_and_action)
    return jax.tree.map(np.asarray, found)


def scale_rewards(dataset: Dataset, factor: float) -> Dataset:
    """The same dataset, with every reward multiplied."""
    transitions = dataset.transitions
    rewards = np.float32(factor) * transitions.rewards
    return replace(dataset, transitions=transitions._replace(rewards=rewards))


if __name__ == "__main__":
    print(sweep.main(sys.modules[__name__], seeds=SEEDS))
