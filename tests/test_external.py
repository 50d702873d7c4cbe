"""Training on real datasets that nobody here made, given as arrays of one's own.

They are no part of the project: OFFLINE_TUTOR_EXTERNAL_DATA names their folder. One setting of
TD3+BC serves both pendulum sets, one of discrete CQL the cart and its pole; CQL on SAC has an alpha
for each set.
"""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offline_tutor import data, environments, evaluation, training
from offline_tutor.algorithms import BC, CQL_QR_DQN, CQL_SAC, SAC, TD3, TD3_BC
from offline_tutor.intervals import mean_interval

FOLDER = os.environ.get("OFFLINE_TUTOR_EXTERNAL_DATA")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="OFFLINE_TUTOR_EXTERNAL_DATA names no folder of datasets"
)
PENDULUM = environments.Pendulum()
MEDIUM, REPLAY = "rllib_pendulum_medium", "d3rlpy_pendulum_replay"
SIZES: dict[str, Any] = {"hidden": (64, 64), "actor_learning_rate": 1e-3}
RATES: dict[str, Any] = {"critic_learning_rate": 1e-3, "discount": 0.98, "tau": 0.02}
SOFT: dict[str, Any] = RATES | {"hidden": (64, 64), "temperature_learning_rate": 1e-3}
CONFIGS: dict[Any, Any] = {
    BC: BC.Config(**SIZES),
    TD3: TD3.Config(**SIZES, **RATES),
    TD3_BC: TD3_BC.Config(**SIZES, **RATES, alpha=2.0),
    SAC: SAC.Config(**SOFT),
    CQL_SAC: CQL_SAC.Config(**SOFT, num_samples=3),
}
ALPHAS = {MEDIUM: 3.0, REPLAY: 100.0}  # of CQL, found on seeds 100 and 101


CARTPOLE = environments.CartPole(max_episode_steps=200)
CQL = CQL_QR_DQN.Config(
    hidden=(64, 64), learning_rate=1e-3, tau=0.02, target_period=1, num_quantiles=32
)


def load(name: str, **changes: Any) -> data.Dataset:
    """The dataset; `changes` are arguments of `from_arrays` that are not as in the file."""
    with np.load(Path(FOLDER or "") / f"{name}.npz", allow_pickle=False) as file:
        arguments = {
            "next_observations": file["next_observations"],
            "terminations": file["terminals"],
            "truncations": file["timeouts"],
            "name": name,
        }
        return data.from_arrays(
            file["observations"], file["actions"], file["rewards"], **arguments | changes
        )


def load_pendulum(name: str) -> data.Dataset:
    return load(name, action_bounds=(-2.0, 2.0))


@cache
def mean_return(algorithm: Any, name: str) -> float:
    """Over 5 seeds and 64 fresh episodes each, after 6000 steps."""
    config = CONFIGS[algorithm]
    if algorithm is CQL_SAC:
        config = replace(config, alpha=ALPHAS[name])
    run = training.train(
        algorithm, load_pendulum(name), config=config, num_steps=6000, batch_size=128, seeds=5,
        every=6000, normalize=True, progress=False,
    )  # fmt: skip
    returns = evaluation.evaluate(run.policy, PENDULUM, episodes=64)
    interval = mean_interval(returns)
    print(f"{name:24}{algorithm.name:8}{interval}")
    return interval.estimate


def test_medium_beats_cloning() -> None:
    cloning, ours = (mean_return(method, MEDIUM) for method in (BC, TD3_BC))
    assert ours >= -480
    assert ours > cloning


def test_replay_needs_the_cloning_term() -> None:
    parent, ours = (mean_return(method, REPLAY) for method in (TD3, TD3_BC))
    assert ours >= -230
    assert parent < -400


def test_conservative_values_find_the_better_half_of_a_mixed_record() -> None:
    """Where cloning averages two kinds of episodes, of about -1000 and of about -250."""
    results = {method: mean_return(method, MEDIUM) for method in CONFIGS}
    assert results[CQL_SAC] >= -250
    assert results[CQL_SAC] > max(results[BC], results[SAC])


def test_conservative_values_serve_on_the_replay_too() -> None:
    results = {method: mean_return(method, REPLAY) for method in CONFIGS}
    assert results[CQL_SAC] >= -230
    assert results[CQL_SAC] > results[TD3]


def load_cartpole(*, limits_are_ends: bool = False) -> data.Dataset:
    dataset = load("d3rlpy_cartpole_replay", num_actions=2)
    if not limits_are_ends:
        return dataset
    ends = dataset.transitions.terminations | dataset.truncations
    return load(dataset.name, num_actions=2, terminations=ends, truncations=np.zeros_like(ends))


@cache
def train_cql(alpha: float, limits_are_ends: bool = False) -> Any:
    """The policies of 5 seeds after 10,000 steps."""
    return training.train(
        CQL_QR_DQN, load_cartpole(limits_are_ends=limits_are_ends),
        config=replace(CQL, alpha=alpha), num_steps=10_000, batch_size=64, seeds=5, every=10_000,
        normalize=True, progress=False,
    ).policy  # fmt: skip


def measure(policy: Any) -> tuple[float, float, float]:
    """Mean return, Q at the start and the discounted return that followed."""
    returns = evaluation.evaluate(policy, CARTPOLE, episodes=64)
    beliefs = evaluation.compare_values(policy, CARTPOLE, discount=CQL.discount)
    q, true = beliefs.believed.mean(), beliefs.true.mean()
    interval = mean_interval(returns)
    print(f"alpha {policy.config.alpha}: return {interval}, Q {q:.1f}, true {true:.1f}")
    return interval.estimate, q, true


def test_cql_balances_the_pole_and_knows_what_that_is_worth() -> None:
    returns, q, true = measure(train_cql(1.0))
    assert returns >= 195
    assert abs(q - true) <= 20


def test_without_its_penalty_values_explode() -> None:
    returns, q, _ = measure(train_cql(0.0))
    assert returns < 30
    assert q > 10_000


def test_time_limits_taken_for_ends_lower_q() -> None:
    """The pole that stood at the limit then seems to be worth nothing more."""
    right, wrong = train_cql(1.0), train_cql(1.0, limits_are_ends=True)
    dataset = load_cartpole()
    at_limits = dataset.transitions.next_observations[dataset.truncations]
    q, lower = (policy.map(lambda one: one.value(at_limits)).mean() for policy in (right, wrong))
    print(f"Q where the limit cut: {q:.1f}; with limits taken for ends: {lower:.1f}")
    measure(wrong)
    assert lower < q - 5
