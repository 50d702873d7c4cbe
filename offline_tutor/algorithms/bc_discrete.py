"""Behaviour cloning of discrete actions: classify observations by the action taken.

`BC` with the squared distance replaced by the cross-entropy, since there is no distance
between discrete actions.
"""

from dataclasses import replace

import optax

from offline_tutor.algorithms.bc import BC, State, first_state
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.networks import init_mlp, mlp
from offline_tutor.types import Array, Params, Scalar, Spec, Transitions


class Config(Hyperparameters):
    """Sizes and rates of `dqn`, so that cloning is compared on equal terms."""

    hidden: tuple[int, ...] = (256, 256)  # widths of the hidden layers
    actor_learning_rate: float = 5e-5  # Adam's


def actor_loss(
    actor: Params, state: State, batch: Transitions, key: Array, config: Config
) -> Scalar:
    """Cross-entropy: mean of minus the log-probability of the data's actions."""
    scores = mlp(actor, batch.observations)
    return optax.softmax_cross_entropy_with_integer_labels(scores, batch.actions).mean()


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are continuous."""
    actor = init_mlp(key, spec.observation_dim, (*config.hidden, spec.num_actions))
    return first_state(actor, config.actor_learning_rate)


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys: the likeliest action, (batch,)."""
    return mlp(state.actor, observations).argmax(-1)


BC_DISCRETE = replace(
    BC, name="bc_discrete", Config=Config, init=init, actor_loss=actor_loss, act=act
)
