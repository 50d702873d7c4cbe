"""TD3+BC on real datasets that nobody here made, given as arrays of one's own.

They are no part of the project: OFFLINE_TUTOR_EXTERNAL_DATA names their folder. One setting serves
both.
"""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from offline_tutor import data, environments, evaluation, training
from offline_tutor.algorithms import bc, td3, td3_bc

FOLDER = os.environ.get("OFFLINE_TUTOR_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="OFFLINE_TUTOR_EXTERNAL_DATA names no folder of datasets"
)
PENDULUM = environments.Pendulum()
SIZES: dict[str, Any] = {"hidden": (64, 64), "actor_learning_rate": 1e-3}
RATES: dict[str, Any] = {"critic_learning_rate": 1e-3, "discount": 0.98, "tau": 0.02}
CONFIGS = {
    bc: bc.Config(**SIZES),
    td3: td3.Config(**SIZES, **RATES),
    td3_bc: td3_bc.Config(**SIZES, **RATES, alpha=2.0),
}


def load(name: str) -> data.Dataset:
    with np.load(Path(FOLDER or "") / f"{name}.npz", allow_pickle=False) as file:
        return data.from_arrays(
            file["observations"],
            file["actions"],
            file["rewards"],
            next_observations=file["next_observations"],
            terminations=file["terminals"],
            truncations=file["timeouts"],
            action_bounds=(-2.0, 2.0),
            name=name,
        )


def mean_return(algorithm: ModuleType, dataset: data.Dataset) -> float:
    """Over 5 seeds and 64 fresh episodes each, after 6000 steps."""
    run = training.train(
        algorithm, dataset, config=CONFIGS[algorithm], num_steps=6000, batch_size=128, seeds=5,
        every=6000, normalize=True, progress=False,
    )  # fmt: skip
    returns = evaluation.evaluate(run.policy, PENDULUM, episodes=64)
    interval = evaluation.bootstrap_interval(returns)
    print(dataset.name, algorithm.__name__, interval)
    return interval.estimate


def test_medium_beats_cloning() -> None:
    dataset = load("rllib_pendulum_medium")
    cloning, ours = mean_return(bc, dataset), mean_return(td3_bc, dataset)
    assert ours >= -480
    assert ours > cloning


def test_replay_needs_the_cloning_term() -> None:
    dataset = load("d3rlpy_pendulum_replay")
    parent, ours = mean_return(td3, dataset), mean_return(td3_bc, dataset)
    assert ours >= -230
    assert parent < -400
