"""With jax_enable_x64 every parameter of every algorithm is float64, and stays it."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor import data, environments, evaluation, training
from offline_tutor.algorithms import ALGORITHMS, CQL_LAGRANGE, CQL_SAC, DQN, TD3_BC
from offline_tutor.types import Continuous, Discrete, Spec, Transitions

DISCRETE = ("bc_discrete", "dqn", "qr_dqn", "cql_qr_dqn")


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def dtypes_of_numbers(tree: Any) -> set[str]:
    leaves = jax.tree.leaves(tree)
    return {str(leaf.dtype) for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_states_are_float64_before_and_after_an_update(name: str) -> None:
    algorithm, key = ALGORITHMS[name], jax.random.key(0)
    config = algorithm.Config(hidden=(4,))
    space = Discrete(3) if name in DISCRETE else Continuous((-1.0, -1.0), (1.0, 1.0))
    state = algorithm.init(key, config, Spec((3,), space))
    assert dtypes_of_numbers(state) == {"float64"}
    rows, numbers = jnp.ones((5, 3)), jnp.ones(5)
    actions = jnp.zeros(5, int) if name in DISCRETE else jnp.zeros((5, 2))
    batch = Transitions(rows, actions, numbers, rows, numbers)
    after, metrics = jax.eval_shape(algorithm.update, state, batch, key, config)
    assert dtypes_of_numbers(after) == dtypes_of_numbers(metrics) == {"float64"}


@pytest.mark.parametrize("algorithm", [TD3_BC, CQL_SAC, CQL_LAGRANGE], ids=lambda it: it.name)
def test_training_keeps_them_so(algorithm: Any) -> None:
    """Datasets are float32: what is computed from them is not."""
    rng = np.random.default_rng(0)
    dataset = data.from_arrays(
        rng.normal(size=(40, 3)),
        rng.uniform(-1, 1, (40, 2)),
        rng.normal(size=40),
        next_observations=rng.normal(size=(40, 3)),
        terminations=np.zeros(40, bool),
    )
    run = training.train(
        algorithm, dataset, config=algorithm.Config(hidden=(4,)), num_steps=3, batch_size=8,
        seeds=2, progress=False,
    )  # fmt: skip
    assert dtypes_of_numbers(run.policy.state) == {"float64"}


@pytest.mark.parametrize(
    "environment",
    [environments.CartPole(5), environments.Pendulum(), environments.PointMaze()],
    ids=lambda environment: type(environment).__name__,
)
def test_our_environments_are_played(environment: Any) -> None:
    space = environment.action_space
    act = lambda x: jnp.zeros((len(x), *space.shape), space.dtype)  # noqa: E731
    returns = evaluation.evaluate(act, environment, episodes=2)
    assert returns.shape == (2,) and np.isfinite(returns).all()


def test_the_cart_is_learned_in_and_its_policy_acts_in_gymnasium() -> None:
    run, _ = training.train_online(
        DQN, environments.CartPole(5), config=DQN.Config(hidden=(4,)), num_steps=8,
        random_steps=4, batch_size=4, seeds=1, progress=False,
    )  # fmt: skip
    assert evaluation.evaluate(run.policy, "CartPole-v1", episodes=2).shape == (1, 2)
