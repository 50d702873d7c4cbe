"""Training on real datasets that nobody here made, given as arrays of one's own.

They are no part of the project: OFFLINE_TUTOR_EXTERNAL_DATA names their folder. One setting of
TD3+BC serves both pendulum sets, one of discrete CQL the cart and its pole; CQL on SAC has an alpha
for each set. Fitted Q evaluation judges with one setting everywhere.
"""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor import data, environments, evaluation, training
from offline_tutor.algorithms import BC, BC_DISCRETE, CQL_QR_DQN, CQL_SAC, SAC, TD3, TD3_BC
from offline_tutor.intervals import mean_interval
from offline_tutor.ope import FQE, fitted_q_evaluations
from offline_tutor.ope.evaluate import initial_observations

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


# Judging without acting, against what acting says: from the very starts of the record, and without
# its limit of time, since a limit ends no sum of rewards. After 500 steps 0.98 ** 500, 4e-5, is
# left of what a reward counts.
DISCOUNT, HORIZON = 0.98, 500
JUDGE: dict[str, Any] = {
    "config": FQE.Config(hidden=(64, 64), discount=DISCOUNT, tau=0.05),
    "num_steps": 12_000,  # 4000 do for the replays; on fifty episodes some seeds still rank wrongly
    "batch_size": 128,
    "seeds": 3,
}


def fit(algorithm: Any, dataset: data.Dataset, config: Any, num_steps: int) -> Any:
    """The policy of one seed."""
    run = training.train(
        algorithm, dataset, config=config, num_steps=num_steps, batch_size=128, seeds=[0],
        every=num_steps, normalize=True, progress=False,
    )  # fmt: skip
    return run.policy.seed(0)


def clone(dataset: data.Dataset, worst: float = 1.0) -> Any:
    """Of the worst episodes, by their share of all."""
    worst_first = np.argsort(dataset.episode_returns(), kind="stable")
    some = dataset.subset(worst_first[: int(worst * dataset.num_episodes)])
    algorithm = BC_DISCRETE if dataset.name == "d3rlpy_cartpole_replay" else BC
    return fit(algorithm, some, algorithm.Config(**SIZES), 3000)


def true_value(policy: Any, dataset: data.Dataset) -> float:
    """The mean discounted return from the starts of the record."""
    first = jnp.asarray(initial_observations(dataset))
    environment: Any = environments.CartPole(max_episode_steps=HORIZON)
    if dataset.name != "d3rlpy_cartpole_replay":
        environment = environments.Pendulum()
        environment.max_episode_steps = HORIZON
        first = jnp.stack([jnp.arctan2(first[:, 1], first[:, 0]), first[:, 2]], -1)
    rows = evaluation.rollout(  # all pendulums are equal to jit: only max_steps tells them apart
        policy, environment, jax.random.key(0), episodes=len(first), initial_states=first,
        max_steps=HORIZON,
    )  # fmt: skip
    return float((np.asarray(rows.rewards, np.float64) @ DISCOUNT ** np.arange(HORIZON)).mean())


def weaker(policy: Any, observations: Any) -> Any:
    """Half the torque: too little to swing up, and never one that the record lacks."""
    return 0.5 * policy(observations)


def candidates(dataset: data.Dataset) -> dict[str, Any]:
    """Three, the best first, that stay where the record has been; and one that may leave it."""
    if dataset.name == "d3rlpy_cartpole_replay":
        return {
            "CQL": fit(CQL_QR_DQN, dataset, replace(CQL, alpha=1.0), 6000),
            "clone of the worse half": clone(dataset, 0.5),
            "clone of the worst quarter": clone(dataset, 0.25),
            "always left": jax.tree_util.Partial(lambda seen: jnp.zeros(len(seen), int)),
        }
    imitation = clone(dataset)
    return {
        "TD3+BC": fit(TD3_BC, dataset, CONFIGS[TD3_BC], 6000),
        "clone of everything": imitation,
        "the same at half strength": jax.tree_util.Partial(weaker, imitation),
        "clone of the worst quarter": clone(dataset, 0.25),
    }


@pytest.mark.parametrize("name", ["d3rlpy_cartpole_replay", REPLAY, MEDIUM])
def test_fitted_q_evaluation_ranks_three_policies(name: str, record_property: Any) -> None:
    """Its order is the true one, and its errors are printed; what is far off says so itself.

    The twelve worst of medium's fifty episodes make a clone that goes where none of them went, so
    that there is nothing to judge it by: the estimate is far too high, and still moving.
    """
    dataset = load_pendulum(name) if "pendulum" in name else load_cartpole()
    policies = candidates(dataset)
    found = fitted_q_evaluations(list(policies.values()), dataset, **JUDGE)
    true = np.array([true_value(policy, dataset) for policy in policies.values()])
    estimates = np.array([one.estimate for one in found])
    errors = np.abs(estimates - true) / np.abs(true)
    print(f"{name:30} {'true':>9} {'estimate':>9} {'error':>6}")
    for label, each, one, error in zip(policies, true, found, errors, strict=True):
        state = "settled" if one.settled else "still moving"
        print(f"  {label:28} {each:9.1f} {one.estimate:9.1f} {error:6.0%}  {state}")
        record_property("FQE", [name, label, float(each), one.estimate, one.settled])
    assert (np.diff(true[:3]) < 0).all()
    assert (np.diff(estimates[:3]) < 0).all()
    assert (errors[:3] < 0.3).all()
    assert not any(one.settled for one, error in zip(found, errors, strict=True) if error > 0.3)
