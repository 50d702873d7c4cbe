"""Shapes that annotations state are checked: what would be broadcast in silence is an error."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from offline_tutor.algorithms import CQL_QR_DQN, CQL_SAC, DQN, QR_DQN, SAC, TD3, TD3_BC, qr_dqn
from offline_tutor.types import Continuous, Discrete, Spec, Transitions

pytest.importorskip("beartype", reason="shapes are checked by beartype")

SIZE = 6
KEY = jax.random.key(0)


def make_batch(algorithm: Any, size: int = SIZE) -> tuple[Spec, Transitions]:
    rows, numbers = jnp.ones((size, 3)), jnp.ones(size)
    if hasattr(algorithm, "actor_loss"):
        space, actions = Continuous((-1.0,), (1.0,)), jnp.zeros((size, 1))
    else:
        space, actions = Discrete(2), jnp.zeros(size, int)
    return Spec((3,), space), Transitions(rows, actions, numbers, rows, numbers)


def critic_loss(algorithm: Any, targets: jax.Array, batch: Transitions | None = None) -> jax.Array:
    spec, usual = make_batch(algorithm)
    config = algorithm.Config(hidden=(4,))
    state = algorithm.init(KEY, config, spec)
    batch = usual if batch is None else batch
    if hasattr(algorithm, "critic_loss"):
        return algorithm.critic_loss(state.critic, state, batch, targets, KEY, config)
    return algorithm.loss(state.network, state, batch, targets, KEY, config)


ONE_NUMBER = [TD3, TD3_BC, SAC, CQL_SAC, DQN]
SEVERAL = [QR_DQN, CQL_QR_DQN]
NAMES = {"ids": lambda value: getattr(value, "name", str(value))}


@pytest.mark.parametrize("algorithm", ONE_NUMBER, **NAMES)
@pytest.mark.parametrize("shape", [(SIZE, 1), (1,), (SIZE + 1,), ()])
def test_a_critics_targets_are_one_number_a_row(algorithm: Any, shape: tuple[int, ...]) -> None:
    assert critic_loss(algorithm, jnp.ones(SIZE)).shape == ()
    with pytest.raises(TypeCheckError, match="targets"):
        critic_loss(algorithm, jnp.ones(shape))


@pytest.mark.parametrize("algorithm", SEVERAL, **NAMES)
@pytest.mark.parametrize("shape", [(SIZE,), (1, 200), (SIZE + 1, 200), (SIZE, 200, 1)])
def test_targets_of_quantiles_are_several_numbers_a_row(
    algorithm: Any, shape: tuple[int, ...]
) -> None:
    assert critic_loss(algorithm, jnp.ones((SIZE, 200))).shape == ()
    with pytest.raises(TypeCheckError, match="targets"):
        critic_loss(algorithm, jnp.ones(shape))


@pytest.mark.parametrize("algorithm", [*ONE_NUMBER, *SEVERAL], **NAMES)
def test_rewards_are_one_number_a_row(algorithm: Any) -> None:
    """A column of rewards would make targets of (batch, batch)."""
    spec, batch = make_batch(algorithm)
    config = algorithm.Config(hidden=(4,))
    state = algorithm.init(KEY, config, spec)
    assert len(algorithm.target_values(state, batch, KEY, config)) == SIZE
    with pytest.raises(TypeCheckError):
        algorithm.target_values(state, batch._replace(rewards=jnp.ones((SIZE, 1))), KEY, config)
    with pytest.raises(TypeCheckError):
        wrong = batch._replace(terminations=jnp.ones((SIZE, 1)))
        algorithm.target_values(state, wrong, KEY, config)


def test_fractions_belong_to_predictions() -> None:
    """On the axis of targets they find other quantiles: a bug that others shipped."""
    predicted, targets = jnp.zeros((SIZE, 5)), jnp.zeros((SIZE, 7))
    assert qr_dqn.quantile_loss(predicted, jnp.ones(5), targets, 1.0).shape == (SIZE,)
    with pytest.raises(TypeCheckError, match="fractions"):
        qr_dqn.quantile_loss(predicted, jnp.ones(7), targets, 1.0)
