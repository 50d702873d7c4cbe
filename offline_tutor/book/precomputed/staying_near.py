"""TD3+BC and cloning on the pendulum, with one thing changed at a time in what they imitate.

    python -m offline_tutor.book.precomputed.staying_near pendulum/replay-v0

writes staying_near_pendulum_replay.npz with, for each of `CHANGES` and each seed, what
`alpha_sweep` measures, with the settings of `rivals` and TD3+BC's alpha of the paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms import TD3_BC, td3_bc
from offline_tutor.algorithms.td3 import State
from offline_tutor.book.precomputed import alpha_sweep, rivals
from offline_tutor.book.precomputed.sweep import Arrays, Sweep, train_each
from offline_tutor.data import Dataset
from offline_tutor.training import Run
from offline_tutor.types import Array, Params, Scalar, Transitions

ALPHA = 2.5  # the paper's, section 5
CHANGES: dict[str, float] = {  # and their alpha: 0 is cloning
    "cloning the best half": 0.0,
    "cloning the best fifth": 0.0,
    "best half only": ALPHA,
    "near the master": ALPHA,
    "four times the steps": ALPHA,
}


def only_best(dataset: Dataset, share: float) -> Dataset:
    """The best of a dataset's episodes by their returns, as large a share as is asked for."""
    returns = dataset.episode_returns()
    worse = len(returns) - round(share * len(returns))
    return dataset.subset(np.argsort(returns, kind="stable")[worse:])


def stay_near_next_actions(
    actor: Params, state: State, batch: Transitions, key: Array, config: td3_bc.Config
) -> Scalar:
    """TD3+BC's loss, whose distance is that to the actions in the column `next_actions`."""
    batch = batch._replace(actions=jnp.asarray(batch.next_actions))
    return td3_bc.actor_loss(actor, state, batch, key, config)


NEAR_MASTER = replace(TD3_BC, name="near_master", actor_loss=stay_near_next_actions)


def with_master(dataset: Dataset, **options: Any) -> Dataset:
    """All rows, and in `next_actions` what a clone of the best half would have done in each."""
    cloning = rivals.settings(dataset.name, 0.0)
    master = train_one(only_best(dataset, 0.5), cloning, **options | {"seeds": 1}).policy.seed(0)
    rows = dataset.transitions
    imitated = np.asarray(master(rows.observations))
    return replace(dataset, transitions=rows._replace(next_actions=imitated))


def train_one(dataset: Dataset, setting: tuple[Any, Any], **options: Any) -> Run:
    """The run of one algorithm with one configuration."""
    (run,) = train_each(dataset, [setting], batch_size=rivals.SWEEP.batch_size, **options)
    return run


def measure(
    dataset: Dataset, changes: Sequence[str], num_steps: int, seeds: int
) -> Iterator[Arrays]:
    """What the file holds of each change, in order."""
    for change in changes:
        options = {"num_steps": num_steps, "seeds": seeds}
        algorithm, config = rivals.settings(dataset.name, CHANGES[change])
        rows = dataset
        if change == "near the master":
            algorithm, rows = NEAR_MASTER, with_master(dataset, **options)
        elif change == "four times the steps":
            options["num_steps"] *= 4
        else:
            rows = only_best(dataset, 0.2 if change.endswith("fifth") else 0.5)
        run = train_one(rows, (algorithm, config), **options)
        yield alpha_sweep.measure_run(run, dataset)


def describe(name: str) -> dict[str, Any]:
    """The configuration of each change, as the file records it."""
    return {change: asdict(rivals.settings(name, alpha)[1]) for change, alpha in CHANGES.items()}


SWEEP = Sweep(
    name="staying_near",
    axis="changes",
    ways=tuple(CHANGES),
    datasets=("pendulum/replay-v0", "pendulum/medium-v0"),
    batch_size=rivals.SWEEP.batch_size,
    seeds=10,
    describe=describe,
    measure=measure,
)

if __name__ == "__main__":
    print(SWEEP.main())
