"""Behaviour cloning: do what the data did.

Supervised learning from observations to actions, with the mean squared error
(Pomerleau, 1989). It knows neither rewards nor what comes next, and is the baseline of
every result in this book.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from offline_tutor.algorithms.algorithm import Act, ActorLoss, Init
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.networks import gradient_step, init_mlp, mlp
from offline_tutor.types import (
    Array,
    Metrics,
    Number,
    Params,
    Scalar,
    Spec,
    Transitions,
)


class Config(Hyperparameters):
    """Sizes and rates of the TD3+BC paper's actor, for a comparison on equal terms."""

    hidden: tuple[int, ...] = (256, 256)  # widths of the hidden layers
    actor_learning_rate: float = 3e-4  # Adam's
    max_action: float = 1.0  # bound of the actions' size; training scales it to 1


class State(NamedTuple):
    """What training changes."""

    step: Array  # updates so far, ()
    actor: Params
    actor_optimizer: Any


def policy(actor: Params, observations: Array, max_action: Number) -> Array:
    """The deterministic policy, `max_action * tanh(network(s))`: (batch, action)."""
    return max_action * jnp.tanh(mlp(actor, observations))


def actor_loss(
    actor: Params, state: State, batch: Transitions, key: Array, config: Config
) -> Scalar:
    """Mean squared distance to the data's actions, over batch and dimensions."""
    actions = policy(actor, batch.observations, config.max_action)
    return ((actions - batch.actions) ** 2).mean()


def first_state(actor: Params, learning_rate: Number) -> State:
    """A state at step 0 with the given parameters."""
    return State(jnp.zeros((), int), actor, optax.adam(learning_rate).init(actor))


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are discrete."""
    actor = init_mlp(key, spec.observation_dim, (*config.hidden, spec.action_dim))
    return first_state(actor, config.actor_learning_rate)


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys: (batch, action)."""
    return policy(state.actor, observations, config.max_action)


@dataclass(frozen=True, kw_only=True)
class Cloning:
    """The functions of an algorithm that trains an actor and nothing else."""

    name: str
    Config: type[Any]
    init: Init
    actor_loss: ActorLoss
    act: Act

    def update(
        self, state: State, batch: Transitions, key: Array, config: Any
    ) -> tuple[State, Metrics]:
        """One gradient step; the loss before it."""
        actor, optimizer, loss = gradient_step(
            lambda actor: self.actor_loss(actor, state, batch, key, config),
            state.actor,
            state.actor_optimizer,
            config.actor_learning_rate,
        )
        return State(state.step + 1, actor, optimizer), {"actor_loss": loss}


BC = Cloning(name="bc", Config=Config, init=init, actor_loss=actor_loss, act=act)
