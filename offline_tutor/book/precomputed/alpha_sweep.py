"""TD3+BC on one dataset with many alphas, from cloning alone to TD3 (no cloning at all).

    python -m offline_tutor.book.precomputed.alpha_sweep maze/stitch-v0

writes alpha_sweep_maze.npz with, for each alpha (the last, infinity, is TD3) and each seed,

    returns   mean undiscounted return of fresh episodes: success in the maze
    believed  what the critic thinks the first actions of these episodes are worth
    true      the discounted return that then came
    distance  mean squared distance of the policy's actions to the data's, in units where they
              lie in [-1, 1]

and for the maze `fields`, value and action at every lattice point, of the seed in the middle when
seeds are ordered by `believed`.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms import td3, td3_bc
from offline_tutor.book.precomputed import sweep
from offline_tutor.data import Dataset
from offline_tutor.environments import CORRIDORS, Pendulum, PointMaze
from offline_tutor.evaluation import rollout
from offline_tutor.policies import Policy
from offline_tutor.training import train
from offline_tutor.types import Transitions

ALPHAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 100.0, np.inf)
TASKS: dict[str, tuple[Any, float]] = {  # dataset: environment, discount
    "maze/stitch-v0": (PointMaze("A"), 0.97),
    "pendulum/medium-v0": (Pendulum(), 0.98),
    "pendulum/replay-v0": (Pendulum(), 0.98),
}
NETWORKS: dict[str, Any] = {
    "hidden": (64, 64),
    "actor_learning_rate": 1e-3,
    "critic_learning_rate": 1e-3,
    "tau": 0.02,
}
BATCH_SIZE = 64
EPISODES = 64  # fresh ones, to measure the return of each seed
SPACING = 0.1  # of the lattice on which `fields` are recorded, in cells of the maze


def settings(name: str, alpha: float) -> tuple[Any, Any]:
    """The algorithm and its configuration for a dataset."""
    common = NETWORKS | {"discount": TASKS[name][1]}
    if np.isinf(alpha):
        return td3, td3.Config(**common)
    return td3_bc, td3_bc.Config(**common, alpha=alpha)


def describe(name: str) -> dict[str, Any]:
    """The configuration that all alphas of a dataset share, as the file records it."""
    return asdict(settings(name, 1.0)[1]) | {"alpha": "alphas"}


def stem(name: str) -> str:
    """What a dataset's file is called: "alpha_sweep_maze_stitch"."""
    return f"alpha_sweep_{name.removesuffix('-v0').replace('/', '_')}"


def measure(name: str, dataset: Dataset, alpha: float, num_steps: int, seeds: int) -> dict:
    """Trains with one alpha; what the file holds of it."""
    algorithm, config = settings(name, alpha)
    run = train(
        algorithm,
        dataset,
        config=config,
        num_steps=num_steps,
        batch_size=BATCH_SIZE,
        seeds=seeds,
        every=num_steps,
        normalize=True,
        progress=False,
    )
    # A trained policy no longer knows its alpha: under one parent all are measured by one program.
    parent, parent_config = settings(name, np.inf)
    policy = replace(run.policy, algorithm=parent, config=parent_config)
    keys = jax.random.split(jax.random.key(1), seeds)
    found = assess(policy, keys, TASKS[name][0], dataset.transitions, parent_config.discount)
    if name.startswith("maze/"):
        middle = int(np.argsort(found["believed"])[seeds // 2])
        found["fields"] = np.float16(field(policy.seed(middle)))
    return jax.tree.map(np.asarray, found)


@partial(jax.jit, static_argnames="environment")
def assess(
    policies: Policy, keys: jax.Array, environment: Any, data: Transitions, discount: float
) -> dict[str, jax.Array]:
    """What the file holds of each policy in a stack, but for its field: (seeds,) each."""

    def assess_one(policy: Policy, key: jax.Array) -> dict[str, jax.Array]:
        played = rollout(policy, environment, key, episodes=EPISODES)
        rows = policy.normalization.prepare(data)
        actions = policy.algorithm.act(policy.state, rows.observations, policy.config)
        return {
            "returns": played.rewards.sum(1).mean(),
            "believed": policy.value(played.observations[:, 0]).mean(),
            "true": (played.rewards @ discount ** jnp.arange(played.rewards.shape[1])).mean(),
            "distance": ((actions - rows.actions) ** 2).mean(),
        }

    return policies.map(assess_one, keys)


def field(policy: Policy) -> np.ndarray:
    """Value and action (3, rows, columns) of a policy at the maze's lattice points."""
    rows, columns = PointMaze.cells.shape
    x, y = np.arange(columns / SPACING + 1) * SPACING, np.arange(rows / SPACING + 1) * SPACING
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    values = np.concatenate([policy.value(points)[:, None], policy(points)], axis=1)
    low, high = CORRIDORS + np.reshape([-SPACING, SPACING], (2, 1, 1))
    inside = ((low <= points[:, None]) & (points[:, None] <= high)).all(-1).any(-1)
    values = np.where(inside[:, None], values, 0)  # nobody can be elsewhere
    return values.T.reshape(3, len(y), len(x))


def from_field(field: np.ndarray) -> tuple[Callable, Callable]:
    """The value and the policy that a field (3, rows, columns) recorded, at its nearest points.

    Both take positions (n, 2), so that figures draw them like those of a `Policy`.
    """

    def nearest(points: np.ndarray) -> np.ndarray:
        column, row = np.rint(np.asarray(points) / SPACING).astype(int).T
        return field[:, row, column].T.astype(np.float32)

    return (lambda points: nearest(points)[:, 0]), (lambda points: nearest(points)[:, 1:])


if __name__ == "__main__":
    print(sweep.main(sys.modules[__name__]))
