"""QR-DQN (Dabney et al. 2018): DQN that learns the distribution of the return.

For each action the network gives `num_quantiles` numbers, which are trained to be the
return's quantiles at the midpoints of equal slices of probability. Their mean is Q.
"""

from dataclasses import replace

import jax.numpy as jnp
import optax

from offline_tutor.algorithms import dqn
from offline_tutor.algorithms.dqn import DQN, State, fresh_state, take
from offline_tutor.networks import init_mlp, mlp
from offline_tutor.types import (
    Array,
    Fractions,
    Number,
    Params,
    PerRow,
    Returns,
    Samples,
    Scalar,
    Spec,
    Transitions,
)


class Config(dqn.Config):
    """DQN's, and two more, both from section 5 of the paper."""

    num_quantiles: int = 200  # N, for each action
    kappa: float = 1.0  # errors up to kappa count squared; 0: plain quantile regression


def quantiles(network: Params, observations: Array, config: Config) -> Array:
    """The return's quantiles for each action: (batch, actions, quantiles)."""
    outputs = mlp(network, observations)
    return outputs.reshape(*outputs.shape[:-1], -1, config.num_quantiles)


def values(network: Params, observations: Array, config: Config) -> Array:
    """The mean of the quantiles, which is Q: (batch, actions)."""
    return quantiles(network, observations, config).mean(-1)


def target_values(
    state: State, batch: Transitions, key: Array, config: Config
) -> Returns:
    """Samples of the return to predict, (batch, quantiles): the paper's algorithm 1.

    The next action is the best by the target network's own mean.
    """
    next_quantiles = quantiles(state.target_network, batch.next_observations, config)
    next_return = take(next_quantiles, next_quantiles.mean(-1).argmax(-1))
    goes_on = config.discount * (1 - batch.terminations)
    return batch.rewards[:, None] + goes_on[:, None] * next_return


def quantile_loss(
    predicted: Returns, fractions: Fractions, targets: Samples, kappa: Number
) -> PerRow:
    """Quantile Huber loss, (batch,): a mean over targets, a sum over predictions.

    `predicted`, (batch, quantiles), are meant to be the quantiles at `fractions`,
    (quantiles,), of what `targets`, (batch, samples), are samples of. An error of a
    target above its prediction weighs the fraction, one below it the rest. Errors are
    not divided by `kappa`.
    """
    errors = targets[:, None, :] - predicted[:, :, None]  # (batch, quantiles, samples)
    size = jnp.where(kappa > 0, optax.huber_loss(errors, delta=kappa), jnp.abs(errors))
    weight = jnp.abs(fractions[:, None] - (errors < 0))
    return (weight * size).mean(2).sum(1)


def regression(
    predicted: Array, batch: Transitions, targets: Returns, config: Config
) -> Scalar:
    """Quantile Huber loss of the data's actions, at the midpoints of N equal slices.

    `predicted`: the quantiles of every action, (batch, actions, quantiles).
    """
    midpoints = (jnp.arange(config.num_quantiles) + 0.5) / config.num_quantiles
    chosen = take(predicted, batch.actions)
    return quantile_loss(chosen, midpoints, targets, config.kappa).mean()


def loss(
    network: Params,
    state: State,
    batch: Transitions,
    targets: Returns,
    key: Array,
    config: Config,
) -> Scalar:
    """The quantile Huber loss of the data's actions against the targets."""
    return regression(
        quantiles(network, batch.observations, config), batch, targets, config
    )


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state. Raises ValueError where the actions are continuous."""
    outputs = spec.num_actions * config.num_quantiles
    network = init_mlp(key, spec.observation_dim, (*config.hidden, outputs))
    return fresh_state(network, config.learning_rate)


QR_DQN = replace(
    DQN,
    name="qr_dqn",
    Config=Config,
    init=init,
    values=values,
    target_values=target_values,
    loss=loss,
)
