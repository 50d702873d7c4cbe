"""TD3+BC on one dataset with many alphas, from cloning alone to TD3 (no cloning at all).

    python -m offline_tutor.book.precomputed.alpha_sweep maze/stitch-v0

writes alpha_sweep_maze_stitch.npz with, for each alpha (the last, infinity, is TD3) and each seed,

    returns   mean undiscounted return of fresh episodes: success in the maze
    believed  what the critic thinks the first actions of these episodes are worth
    true      the discounted return that then came
    distance  mean squared distance of the policy's actions to the data's, in units where they
              lie in [-1, 1]

and for the maze `fields`, value and action at every lattice point, of the seed in the middle when
seeds are ordered by `believed`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms import TD3, TD3_BC
from offline_tutor.book.precomputed.sweep import Arrays, Sweep, train_each
from offline_tutor.data import Dataset
from offline_tutor.environments import CORRIDORS, Pendulum, PointMaze
from offline_tutor.evaluation import rollout
from offline_tutor.policies import Policy
from offline_tutor.training import Run
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


# The algorithm and its configuration, of a dataset's name and a way of training.
Settings = Callable[[str, Any], tuple[Any, Any]]


def settings(name: str, alpha: float) -> tuple[Any, Any]:
    """The algorithm and its configuration for a dataset."""
    common = NETWORKS | {"discount": TASKS[name][1]}
    if np.isinf(alpha):
        return TD3, TD3.Config(**common)
    return TD3_BC, TD3_BC.Config(**common, alpha=alpha)


def describe(name: str) -> dict[str, Any]:
    """The configuration that all alphas of a dataset share, as the file records it."""
    return asdict(settings(name, 1.0)[1]) | {"alpha": "alphas"}


def measurer(settings: Settings) -> Callable[..., Iterator[Arrays]]:
    """The `measure` of a sweep: it trains in each way, and gives what the file holds of it."""

    def measure(
        dataset: Dataset, ways: Sequence[Any], num_steps: int, seeds: int
    ) -> Iterator[Arrays]:
        each = [settings(dataset.name, way) for way in ways]
        options = {"num_steps": num_steps, "batch_size": BATCH_SIZE, "seeds": seeds}
        for run in train_each(dataset, each, **options):
            yield measure_run(run, dataset)

    return measure


def measure_run(run: Run, dataset: Dataset, scale: float = 1.0) -> Arrays:
    """What the file holds of one configuration, whose training multiplied rewards by `scale`."""
    environment, discount = TASKS[dataset.name]
    keys = jax.random.split(jax.random.key(1), len(run.seeds))
    found = assess(run.policy, keys, environment, dataset.transitions, discount)
    found["believed"] /= scale
    if dataset.name.startswith("maze/"):
        middle = int(np.argsort(found["believed"])[len(run.seeds) // 2])
        found["fields"] = np.float16(field(run.policy.seed(middle), scale))
    return found


@partial(jax.jit, static_argnames="environment")
def assess(
    policies: Policy, keys: jax.Array, environment: Any, data: Transitions, discount: float
) -> Arrays:
    """What the file holds of each policy in a stack, but for its field: (seeds,) each."""

    def assess_one(policy: Policy, key: jax.Array) -> Arrays:
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


def field(policy: Policy, scale: float = 1.0) -> np.ndarray:
    """Value, divided by `scale`, and action of a policy at the maze's lattice points.

    (3, rows, columns), and 0 inside walls.
    """
    rows, columns = PointMaze.cells.shape
    x, y = np.arange(columns / SPACING + 1) * SPACING, np.arange(rows / SPACING + 1) * SPACING
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    values = np.concatenate([policy.value(points)[:, None] / scale, policy(points)], axis=1)
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


SWEEP = Sweep(
    name="alpha_sweep",
    ways=ALPHAS,
    datasets=tuple(TASKS),
    batch_size=BATCH_SIZE,
    describe=describe,
    measure=measurer(settings),
)

if __name__ == "__main__":
    print(SWEEP.main())
