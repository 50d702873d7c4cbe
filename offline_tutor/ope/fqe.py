"""Fitted Q evaluation (Le, Voloshin and Yue 2019): DQN with its targets replaced.

Where Q-learning asks for the best next action, this asks what a given policy would do.
The answer stands in the rows, as `next_actions`, (batch, policies, actions), for
several policies at once: the probabilities of all actions where they are discrete, and
one action where they are continuous. No policy is trained: in the end the network is
asked for the value of the policy's own actions at the starts of episodes.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from offline_tutor.algorithms import dqn
from offline_tutor.algorithms.algorithm import CriticLoss, Init, TargetValues
from offline_tutor.algorithms.dqn import DQN, QLearning, State, fresh_state, take
from offline_tutor.networks import init_mlp, init_normed_mlp, mlp, normed_mlp
from offline_tutor.types import Array, Params, PerRow, Scalar, Spec, Transitions


class Config(dqn.Config):
    """DQN's, with a target that follows softly, and layer normalisation."""

    learning_rate: float = 1e-3  # Adam's
    tau: float = 0.02  # how far the target network moves towards the trained one
    target_period: int = 1  # updates from one of its moves to the next
    layer_norm: bool = (
        True  # after each ReLU: it keeps values of unseen actions in check
    )
    policy: float = 0.0  # which of the policies in the rows is judged, counted from 0


def init_network(key: Array, config: Config, inputs: int, outputs: int) -> Params:
    """A fresh network, with layer normalisation or without."""
    init = init_normed_mlp if config.layer_norm else init_mlp
    return init(key, inputs, (*config.hidden, outputs))


def values(network: Params, observations: Array, config: Config) -> Array:
    """What the network thinks each action is worth: (batch, actions)."""
    return (normed_mlp if config.layer_norm else mlp)(network, observations)


def next_actions(batch: Transitions, config: Config) -> Array:
    """What the policy would do next, (batch, actions) or (batch, action).

    Raises ValueError where the rows do not say it.
    """
    if batch.next_actions is None or batch.next_actions.ndim != 3:
        raise ValueError(
            "the rows do not say what policies would do next: fitted_q_evaluation in "
            "offline_tutor.ope asks them and trains"
        )
    policy = jnp.asarray(config.policy, int)
    return jnp.take(batch.next_actions, policy, axis=1)


def target_values(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """Bootstrapped targets for Q(s, a), (batch,), if the policy goes on."""
    q = values(state.target_network, batch.next_observations, config)
    next_q = (next_actions(batch, config) * q).sum(-1)
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def loss(
    network: Params,
    state: State,
    batch: Transitions,
    targets: PerRow,
    key: Array,
    config: Config,
) -> Scalar:
    """Mean squared temporal-difference error: unlike Huber's, least at the mean."""
    q = take(values(network, batch.observations, config), batch.actions)
    return ((q - targets) ** 2).mean()


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are continuous."""
    network = init_network(key, config, spec.observation_dim, spec.num_actions)
    return fresh_state(network, config.learning_rate)


FQE = replace(
    DQN,
    name="fqe",
    Config=Config,
    init=init,
    values=values,
    target_values=target_values,
    loss=loss,
)


def q_values(
    network: Params, observations: Array, actions: Array, config: Config
) -> PerRow:
    """What continuous actions are worth: (batch,)."""
    pairs = jnp.concatenate([observations, actions], axis=-1)
    return values(network, pairs, config).squeeze(-1)


def init_continuous(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are discrete."""
    inputs = spec.observation_dim + spec.action_dim
    return fresh_state(init_network(key, config, inputs, 1), config.learning_rate)


def target_values_continuous(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """The same where actions are continuous."""
    actions = next_actions(batch, config)
    next_q = q_values(state.target_network, batch.next_observations, actions, config)
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def loss_continuous(
    network: Params,
    state: State,
    batch: Transitions,
    targets: PerRow,
    key: Array,
    config: Config,
) -> Scalar:
    """The same where actions are continuous."""
    q = q_values(network, batch.observations, batch.actions, config)
    return ((q - targets) ** 2).mean()


@dataclass(frozen=True, kw_only=True)
class ContinuousEvaluation:
    """An evaluation that is trained as DQN is, of a policy with continuous actions."""

    name: str
    Config: type[Any]
    init: Init
    target_values: TargetValues
    loss: CriticLoss

    update = QLearning.update

    def act(self, state: State, observations: Array, config: Any) -> Array:
        """The middle of the action space: no policy is trained."""
        inputs = state.network["layer0"]["kernel"].shape[0]
        width = inputs - observations.shape[-1]
        return jnp.zeros((*observations.shape[:-1], width), observations.dtype)


FQE_CONTINUOUS = ContinuousEvaluation(
    name="fqe_continuous",
    Config=Config,
    init=init_continuous,
    target_values=target_values_continuous,
    loss=loss_continuous,
)
