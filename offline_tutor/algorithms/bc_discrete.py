"""Behaviour cloning where actions are discrete: classify observations by what was done there.

`bc` with the squared distance replaced by the cross-entropy, since actions have names and no
distances.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import optax

from offline_tutor.algorithms.bc import State
from offline_tutor.types import Array, Spec, Transitions
from offline_tutor.networks import gradient_step, init_mlp, mlp
from offline_tutor.types import Params


@dataclass(frozen=True)
class Config:
    """Sizes and rates of `dqn`, so that cloning is compared on equal terms."""

    hidden: tuple[int, ...] = (256, 256)  # widths of the hidden layers
    learning_rate: float = 5e-5  # Adam's


def loss(actor: Params, batch: Transitions, config: Config) -> Array:
    """Cross-entropy: minus the logarithm of the probability given to the data's actions, mean."""
    scores = mlp(actor, batch.observations)
    return optax.softmax_cross_entropy_with_integer_labels(scores, batch.actions).mean()


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are continuous."""
    actor = init_mlp(key, spec.observation_dim, (*config.hidden, spec.action_count))
    return State(jnp.zeros((), int), actor, optax.adam(config.learning_rate).init(actor))


def update(
    state: State, batch: Transitions, key: Array, config: Config
) -> tuple[State, dict[str, Array]]:
    """One gradient step. Cloning is deterministic: `key` is not used."""
    actor, optimizer, value = gradient_step(
        lambda actor: loss(actor, batch, config),
        state.actor,
        state.actor_optimizer,
        config.learning_rate,
    )
    return State(state.step + 1, actor, optimizer), {"loss": value}


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys: the likeliest action, (batch,)."""
    return mlp(state.actor, observations).argmax(-1)
