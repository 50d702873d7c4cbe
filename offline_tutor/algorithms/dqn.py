"""DQN (Mnih et al. 2015): Q-learning with a network in place of the table.

The network reads an observation and says what each action is worth. It is trained towards the
reward plus what the best next action is worth, as an older copy of itself, the target network,
says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.types import Array, Spec, Transitions
from offline_tutor.networks import gradient_step, init_mlp, mlp
from offline_tutor.types import Params


@dataclass(frozen=True)
class Config:
    """Hyper-parameters; the defaults but for epsilon are those of the CQL authors' Atari code.

    The target network moves a fraction `tau` of the way every `target_period` updates: tau 1 is
    the paper's hard update, tau .005 with period 1 the soft one of TD3 and SAC.
    """

    hidden: tuple[int, ...] = (256, 256)  # widths of the hidden layers; Atari games have pictures
    learning_rate: float = 5e-5  # Adam's
    discount: float = 0.99  # gamma: what a reward one step later is worth now
    tau: float = 1.0  # how far the target network moves towards the trained one
    target_period: int = 2000  # updates from one of its moves to the next
    epsilon: float = 0.05  # probability of a random action when trying things out online


class State(NamedTuple):
    """What training changes."""

    step: Array  # updates so far, ()
    network: Params
    target_network: Params
    optimizer: Any


def choose(table: Array, actions: Array) -> Array:
    """The row of each action: `table`, (batch, actions, ...), at `actions`, (batch,)."""
    return table[jnp.arange(len(actions)), actions]


def values(network: Params, observations: Array, config: Config) -> Array:
    """What the network thinks each action is worth: (batch, actions)."""
    return mlp(network, observations)


def target_values(state: State, batch: Transitions, config: Config) -> Array:
    """What should have been said of the data's actions, (batch,): algorithm 1 of the paper.

    Only a termination ends the sum of rewards.
    """
    next_q = values(state.target_network, batch.next_observations, config).max(-1)
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def loss(network: Params, batch: Transitions, targets: Array, config: Config) -> Array:
    """Huber's loss of the temporal-difference errors: the paper clips their gradient at 1."""
    q = choose(values(network, batch.observations, config), batch.actions)
    return optax.huber_loss(q, targets).mean()


def init(key: Array, config: Config, spec: Spec, outputs_per_action: int = 1) -> State:
    """A fresh state; the target is a copy. Raises ValueError where the actions are continuous."""
    outputs = spec.action_count * outputs_per_action
    network = init_mlp(key, spec.observation_dim, (*config.hidden, outputs))
    optimizer = optax.adam(config.learning_rate).init(network)
    return State(jnp.zeros((), int), network, network, optimizer)


def update(
    state: State,
    batch: Transitions,
    key: Array,
    config: Config,
    target_values: Callable[..., Array] = target_values,
    loss: Callable[..., Array] = loss,
) -> tuple[State, dict[str, Array]]:
    """One gradient step, then perhaps a move of the target; the loss before, the targets' mean.

    Q-learning is deterministic: `key` is not used.
    """
    targets = target_values(state, batch, config)
    network, optimizer, value = gradient_step(
        lambda network: loss(network, batch, targets, config),
        state.network,
        state.optimizer,
        config.learning_rate,
    )
    moved = optax.incremental_update(network, state.target_network, config.tau)
    step = state.step + 1
    target = optax.periodic_update(moved, state.target_network, step, config.target_period)
    return State(step, network, target, optimizer), {"loss": value, "q": targets.mean()}


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys: the action of the highest value, (batch,)."""
    return values(state.network, observations, config).argmax(-1)


def value(state: State, observations: Array, config: Config) -> Array:
    """What the network believes that the policy is worth: (batch,)."""
    return values(state.network, observations, config).max(-1)


def explore(
    state: State,
    observations: Array,
    key: Array,
    config: Config,
    values: Callable[..., Array] = values,
) -> Array:
    """The policy, or with probability `epsilon` any action, to try things out online: (batch,)."""
    coin_key, action_key = jax.random.split(key)
    q = values(state.network, observations, config)
    anything = jax.random.randint(action_key, q.shape[:-1], 0, q.shape[-1])
    return jnp.where(
        jax.random.uniform(coin_key, q.shape[:-1]) < config.epsilon, anything, q.argmax(-1)
    )
