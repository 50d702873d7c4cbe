"""What the CQL authors' code adds to the algorithm: options, all off by default.

A multiplier that finds alpha (appendix F of the paper), targets of the best of several
actions, targets that count entropy, and an actor that clones before it improves.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.algorithms import cql_sac, sac, td3
from offline_tutor.algorithms.algorithm import Functions
from offline_tutor.algorithms.cql_sac import CQL_SAC
from offline_tutor.networks import gradient_step, log_density
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


class Config(cql_sac.Config):
    """CQL's, and what the options need."""

    target_gap: float | None = None  # for the mean gap (the paper's tau), in units of Q
    multiplier_learning_rate: float = 3e-4  # Adam's
    max_backup: bool = False  # targets of the best of `num_samples` actions
    entropy_in_target: bool = False  # whether critics' targets count the next entropy
    warm_start_steps: int = 0  # steps in which the actor clones before it improves


class State(NamedTuple):
    """SAC's, and the multiplier's."""

    step: Array  # updates so far, ()
    parent: sac.State
    log_multiplier: Array  # ()
    multiplier_optimizer: Any


def target_values(
    state: sac.State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """Of the best of several sampled actions with `max_backup`; else the parents'.

    The smaller critic says which action is best, as in Geng's code; the authors' lets
    each critic choose and takes the smaller maximum.
    """
    if not config.entropy_in_target:
        state = state._replace(log_temperature=-jnp.inf)
    if not config.max_backup:
        return sac.target_values(state, batch, key, config)
    noise = jax.random.normal(key, (config.num_samples, *batch.actions.shape))
    actions, log_densities = sac.sample(state.actor, batch.next_observations, noise)
    next_q = td3.values(state.target_critic, batch.next_observations, actions).min(0)
    best = next_q.argmax(0, keepdims=True)
    next_value = next_q - jnp.exp(state.log_temperature) * log_densities
    next_value = jnp.take_along_axis(next_value, best, 0)[0]
    return batch.rewards + config.discount * (1 - batch.terminations) * next_value


def actor_loss(
    actor: Params, state: sac.State, batch: Transitions, key: Array, config: Config
) -> Scalar:
    """SAC's; in the first `warm_start_steps` it is the data's log-density instead."""
    improving = sac.actor_loss(actor, state, batch, key, config)
    if config.warm_start_steps == 0:
        return improving
    noise = jax.random.normal(key, batch.actions.shape)
    sampled = sac.sample(actor, batch.observations, noise)[1]
    at_data = log_density(*sac.policy(actor, batch.observations), batch.actions)
    cloning = (jnp.exp(state.log_temperature) * sampled - at_data).mean()
    return jnp.where(state.step <= config.warm_start_steps, cloning, improving)


def multiplier(log_multiplier: Scalar) -> Scalar:
    """What alpha is multiplied by: at most a million, as in the authors' code."""
    return jnp.minimum(jnp.exp(log_multiplier), 1e6)


def multiplier_loss(
    log_multiplier: Scalar, gaps: Array, target_gap: Number, alpha: Number
) -> Scalar:
    """Raises the multiplier while the gaps exceed their target (paper, appendix F).

    The target is the gap's own, as in Geng's code; the authors' is compared with alpha
    times it.
    """
    return -multiplier(log_multiplier) * alpha * (gaps - target_gap).mean()


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state of SAC, and a multiplier of 1. Raises ValueError as SAC's does."""
    parent, log_multiplier = sac.init(key, config, spec), jnp.zeros(())
    optimizer = optax.adam(config.multiplier_learning_rate).init(log_multiplier)
    return State(parent.step, parent, log_multiplier, optimizer)


def update_multiplier(
    state: State, batch: Transitions, key: Array, config: Config
) -> tuple[State, Metrics]:
    """One gradient step on the multiplier; the gap before it, and the multiplier.

    The gaps are measured once more, with the actions that the loss draws from the same
    key: a third more work, but the loss stays a single number.
    """
    target_gap = config.target_gap
    if target_gap is None:
        return state, {}
    proposals = cql_sac.propose(state.parent.actor, batch, key, config)
    gaps = cql_sac.gaps(state.parent.critic, batch, *proposals)
    log_multiplier, optimizer, _ = gradient_step(
        lambda number: multiplier_loss(number, gaps, target_gap, config.alpha),
        state.log_multiplier,
        state.multiplier_optimizer,
        config.multiplier_learning_rate,
    )
    metrics = {"gap": gaps.mean(), "multiplier": multiplier(state.log_multiplier)}
    state = state._replace(
        log_multiplier=log_multiplier, multiplier_optimizer=optimizer
    )
    return state, metrics


PARENT = replace(CQL_SAC, target_values=target_values, actor_loss=actor_loss)


def update(
    state: State, batch: Transitions, key: Array, config: Config
) -> tuple[State, Metrics]:
    """One gradient step on everything, with the options that `config` names."""
    alpha = config.alpha * multiplier(state.log_multiplier)
    weighted = replace(config, alpha=alpha)  # type: ignore[arg-type]  # an array
    parent, metrics = PARENT.update(state.parent, batch, key, weighted)
    _, critic_key, _ = jax.random.split(key, 3)  # as the parent's update splits it
    state, gap_metrics = update_multiplier(state, batch, critic_key, config)
    return state._replace(step=state.step + 1, parent=parent), metrics | gap_metrics


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys, SAC's: (batch, action)."""
    return sac.act(state.parent, observations, config)


def explore(state: State, observations: Array, key: Array, config: Config) -> Array:
    """A sample of the policy, to try things out online: (batch, action)."""
    return sac.explore(state.parent, observations, key, config)


def value(state: State, observations: Array, config: Config) -> Array:
    """What the first critic believes that the deployed policy is worth: (batch,)."""
    return sac.value(state.parent, observations, config)


CQL_LAGRANGE = Functions(
    name="cql_lagrange",
    Config=Config,
    init=init,
    update=update,
    act=act,
    value=value,
    explore=explore,
)
