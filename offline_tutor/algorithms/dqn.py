"""DQN (Mnih et al. 2015): Q-learning with a network in place of the table.

The network reads an observation and says what each action is worth. It is trained
towards the reward plus what the best next action is worth according to an older copy of
itself, the target network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.algorithms.algorithm import CriticLoss, Init, TargetValues
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.networks import gradient_step, init_mlp, mlp
from offline_tutor.types import (
    Array,
    Metrics,
    Number,
    Params,
    PerRow,
    Scalar,
    Spec,
    Transitions,
)


class Config(Hyperparameters):
    """Hyper-parameters; defaults, but for epsilon, are the CQL authors' for Atari.

    The target network moves a fraction `tau` of the way every `target_period` updates:
    tau 1 is the paper's hard update, tau 0.005 with period 1 the soft one of TD3 and
    SAC.
    """

    hidden: tuple[int, ...] = (256, 256)  # widths of the hidden layers (not Atari's)
    learning_rate: float = 5e-5  # Adam's
    discount: float = 0.99  # gamma: what a reward one step later is worth now
    tau: float = 1.0  # how far the target network moves towards the trained one
    target_period: int = 2000  # updates from one of its moves to the next
    epsilon: float = 0.05  # probability of a random action, online


class State(NamedTuple):
    """What training changes."""

    step: Array  # updates so far, ()
    network: Params
    target_network: Params
    optimizer: Any


def take(table: Array, actions: Array) -> Array:
    """From each row of `table`, (batch, actions, ...), the entry of its action."""
    return table[jnp.arange(len(actions)), actions]


def values(network: Params, observations: Array, config: Config) -> Array:
    """What the network thinks each action is worth: (batch, actions)."""
    return mlp(network, observations)


def target_values(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """Bootstrapped targets for Q(s, a), (batch,): algorithm 1 of the paper.

    Only a termination ends the sum of rewards.
    """
    next_q = values(state.target_network, batch.next_observations, config).max(-1)
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def loss(
    network: Params,
    state: State,
    batch: Transitions,
    targets: PerRow,
    key: Array,
    config: Config,
) -> Scalar:
    """Huber's loss of the temporal-difference errors; its gradient is clipped at 1."""
    q = take(values(network, batch.observations, config), batch.actions)
    return optax.huber_loss(q, targets).mean()


def fresh_state(network: Params, learning_rate: Number) -> State:
    """A state at step 0 with the given parameters; the target network is a copy."""
    optimizer = optax.adam(learning_rate).init(network)
    return State(jnp.zeros((), int), network, network, optimizer)


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are continuous."""
    network = init_mlp(key, spec.observation_dim, (*config.hidden, spec.num_actions))
    return fresh_state(network, config.learning_rate)


def update_network(
    algorithm: "QLearning",
    state: State,
    batch: Transitions,
    targets: Array,
    key: Array,
    config: Any,
) -> tuple[State, Array]:
    """One gradient step on the network; the loss before it."""
    network, optimizer, loss = gradient_step(
        lambda network: algorithm.loss(network, state, batch, targets, key, config),
        state.network,
        state.optimizer,
        config.learning_rate,
    )
    step = state.step + 1
    return state._replace(step=step, network=network, optimizer=optimizer), loss


def move_target(state: State, config: Any) -> State:
    """Moves the target towards the trained network, every `target_period` updates."""
    moved = optax.incremental_update(state.network, state.target_network, config.tau)
    target = optax.periodic_update(
        moved, state.target_network, state.step, config.target_period
    )
    return state._replace(target_network=target)


def epsilon_greedy(q: Array, key: Array, epsilon: float) -> Array:
    """The action of highest value; with probability `epsilon` any action: (batch,)."""
    coin_key, action_key = jax.random.split(key)
    anything = jax.random.randint(action_key, q.shape[:-1], 0, q.shape[-1])
    heads = jax.random.uniform(coin_key, q.shape[:-1]) < epsilon
    return jnp.where(heads, anything, q.argmax(-1))


@dataclass(frozen=True, kw_only=True)
class QLearning:
    """The functions of an algorithm that learns what each action is worth."""

    name: str
    Config: type[Any]
    init: Init
    values: Callable[[Params, Array, Any], Array]
    target_values: TargetValues
    loss: CriticLoss

    def update(
        self, state: State, batch: Transitions, key: Array, config: Any
    ) -> tuple[State, Metrics]:
        """One gradient step, and the target's move if it is due; the loss before it."""
        target_key, loss_key = jax.random.split(key)
        targets = self.target_values(state, batch, target_key, config)
        state, loss = update_network(self, state, batch, targets, loss_key, config)
        return move_target(state, config), {"loss": loss, "q": targets.mean()}

    def act(self, state: State, observations: Array, config: Any) -> Array:
        """The policy one deploys: the action of the highest value, (batch,)."""
        return self.values(state.network, observations, config).argmax(-1)

    def value(self, state: State, observations: Array, config: Any) -> Array:
        """What the network believes that the policy is worth: (batch,)."""
        return self.values(state.network, observations, config).max(-1)

    def explore(
        self, state: State, observations: Array, key: Array, config: Any
    ) -> Array:
        """The policy with random actions in between, to try things out: (batch,)."""
        q = self.values(state.network, observations, config)
        return epsilon_greedy(q, key, config.epsilon)


DQN = QLearning(
    name="dqn",
    Config=Config,
    init=init,
    values=values,
    target_values=target_values,
    loss=loss,
)
