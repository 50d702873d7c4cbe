"""Fitted Q evaluation (Le, Voloshin and Yue 2019): DQN with its targets replaced.

Where Q-learning asks for the best next action, this asks what a given policy would do.
The answer stands in the rows, as `next_actions`: probabilities, (batch, actions), where
actions are discrete, and one action, (batch, action), where they are continuous. No
policy is trained: in the end the network is asked for the value of the policy's own
actions at the starts of episodes.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from offline_tutor.algorithms import dqn
from offline_tutor.algorithms.algorithm import CriticLoss, Init, TargetValues
from offline_tutor.algorithms.dqn import DQN, QLearning, State, fresh_state
from offline_tutor.networks import init_mlp, mlp
from offline_tutor.types import Array, Params, PerRow, Scalar, Spec, Transitions


class Config(dqn.Config):
    """DQN's, with a target that follows slowly."""

    learning_rate: float = 1e-3  # Adam's
    tau: float = 0.005  # how far the target network moves towards the trained one
    target_period: int = 1  # updates from one of its moves to the next


def next_actions(batch: Transitions) -> Array:
    """What the policy would do next. Raises ValueError where the rows do not say."""
    if batch.next_actions is None:
        raise ValueError(
            "the rows do not say what a policy would do next: fitted_q_evaluation in "
            "offline_tutor.ope asks it and trains"
        )
    return batch.next_actions


def target_values(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """Bootstrapped targets for Q(s, a), (batch,), if the policy goes on."""
    q = dqn.values(state.target_network, batch.next_observations, config)
    next_q = (next_actions(batch) * q).sum(-1)
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
    q = dqn.take(dqn.values(network, batch.observations, config), batch.actions)
    return ((q - targets) ** 2).mean()


FQE = replace(DQN, name="fqe", Config=Config, target_values=target_values, loss=loss)


def q_values(network: Params, observations: Array, actions: Array) -> PerRow:
    """What continuous actions are worth: (batch,)."""
    return mlp(network, jnp.concatenate([observations, actions], axis=-1)).squeeze(-1)


def init_continuous(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are discrete."""
    inputs = spec.observation_dim + spec.action_dim
    network = init_mlp(key, inputs, (*config.hidden, 1))
    return fresh_state(network, config.learning_rate)


def target_values_continuous(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """The same where actions are continuous."""
    observations, actions = batch.next_observations, next_actions(batch)
    next_q = q_values(state.target_network, observations, actions)
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
    q = q_values(network, batch.observations, batch.actions)
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
