"""What the authors' code of CQL adds to the algorithm: four options, all off unless asked for.

A multiplier that finds alpha (appendix F of the paper), targets of the best of several actions, an
actor that clones before it improves, and, in the core's own config, `entropy_in_target`.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.algorithms import cql_sac, sac, td3
from offline_tutor.types import Array, Spec, Transitions
from offline_tutor.networks import gradient_step, log_density
from offline_tutor.types import Params


@dataclass(frozen=True)
class Config(cql_sac.Config):
    """CQL's, and what the options need."""

    target_gap: float | None = None  # what the multiplier is to make of the gaps, in units of Q
    multiplier_learning_rate: float = 3e-4  # Adam's
    max_backup: bool = False  # targets of the best of `num_samples` actions
    warm_start_steps: int = 0  # steps in which the actor clones before it improves


class State(NamedTuple):
    """SAC's, and the multiplier's."""

    step: Array  # updates so far, ()
    parent: sac.State
    log_multiplier: Array  # ()
    multiplier_optimizer: Any


def target_values(state: sac.State, batch: Transitions, noise: Array, config: Config) -> Array:
    """With `max_backup`, of the best of several sampled actions, (batch,); else those of SAC.

    `noise` is standard normal, (samples, batch, action). The smaller critic says which action is
    best, as in Geng's code; the authors' lets each critic choose and takes the smaller maximum.
    """
    if not config.max_backup:
        return sac.target_values(state, batch, noise[0], config)
    actions, log_densities = sac.sample(state.actor, batch.next_observations, noise)
    observations = jnp.repeat(batch.next_observations[None], len(noise), axis=0)
    next_q = jnp.minimum(*td3.values(state.target_critic, observations, actions))
    best = next_q.argmax(0, keepdims=True)
    next_q = jnp.take_along_axis(next_q, best, 0)[0]
    if config.entropy_in_target:
        density = jnp.take_along_axis(log_densities, best, 0)[0]
        next_q = next_q - jnp.exp(state.log_temperature) * density
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def actor_loss(
    actor: Params, state: sac.State, batch: Transitions, noise: Array, config: Config
) -> Array:
    """SAC's, but in the first `warm_start_steps` the data's log-density stands for the value."""
    improving = sac.actor_loss(actor, state, batch, noise, config)
    if config.warm_start_steps == 0:
        return improving
    sampled = sac.sample(actor, batch.observations, noise)[1]
    at_data = log_density(*sac.policy(actor, batch.observations), batch.actions)
    cloning = (jnp.exp(state.log_temperature) * sampled - at_data).mean()
    return jnp.where(state.step <= config.warm_start_steps, cloning, improving)


def multiplier(log_multiplier: Array) -> Array:
    """What alpha is multiplied by: at most a million, as in the authors' code."""
    return jnp.minimum(jnp.exp(log_multiplier), 1e6)


def multiplier_loss(log_multiplier: Array, gaps: Array, target_gap: float, alpha: float) -> Array:
    """Raises the multiplier while the gaps are above their target: appendix F of the paper."""
    return -multiplier(log_multiplier) * alpha * (gaps - target_gap).mean()


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state of SAC, and a multiplier of 1. Raises ValueError as SAC's does."""
    parent, log_multiplier = sac.init(key, config, spec), jnp.zeros(())
    optimizer = optax.adam(config.multiplier_learning_rate).init(log_multiplier)
    return State(parent.step, parent, log_multiplier, optimizer)


def update_multiplier(
    state: State, batch: Transitions, key: Array, config: Config
) -> tuple[State, dict[str, Array]]:
    """One gradient step on the multiplier; the critics' gap before it, and the multiplier.

    The gaps are measured once more, with the actions that the loss draws from the same key: a
    third more work, in return for a loss that need not carry them out.
    """
    target_gap = config.target_gap
    if target_gap is None:
        return state, {}
    proposals = cql_sac.propose(state.parent, batch, key, config)
    gaps = cql_sac.gaps(state.parent.critic, batch, *proposals)
    log_multiplier, optimizer, _ = gradient_step(
        lambda number: multiplier_loss(number, gaps, target_gap, config.alpha),
        state.log_multiplier,
        state.multiplier_optimizer,
        config.multiplier_learning_rate,
    )
    metrics = {"gap": gaps.mean(), "multiplier": multiplier(state.log_multiplier)}
    return state._replace(log_multiplier=log_multiplier, multiplier_optimizer=optimizer), metrics


def update(
    state: State, batch: Transitions, key: Array, config: Config
) -> tuple[State, dict[str, Array]]:
    """One gradient step on everything, with the options that `config` names."""
    target_key, critic_key, actor_key = jax.random.split(key, 3)
    shape, dtype = batch.actions.shape, batch.actions.dtype
    target_noise = jax.random.normal(target_key, (config.num_samples, *shape), dtype)
    actor_noise = jax.random.normal(actor_key, shape, dtype)
    alpha = config.alpha * multiplier(state.log_multiplier)
    weighted = replace(config, alpha=alpha)  # type: ignore[arg-type]  # traced, else as declared
    parent, critic_metrics = sac.update_critic(
        state.parent, batch, target_noise, critic_key, weighted, cql_sac.critic_loss, target_values
    )
    parent, actor_metrics = sac.update_actor(parent, batch, actor_noise, config, actor_loss)
    state, metrics = update_multiplier(state, batch, critic_key, config)
    state = state._replace(step=state.step + 1, parent=parent)
    return state, metrics | critic_metrics | actor_metrics


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys, SAC's: (batch, action)."""
    return sac.act(state.parent, observations, config)


def explore(state: State, observations: Array, key: Array, config: Config) -> Array:
    """A sample of the policy, to try things out online: (batch, action)."""
    return sac.explore(state.parent, observations, key, config)


def value(state: State, observations: Array, config: Config) -> Array:
    """What the first critic believes that the deployed policy is worth: (batch,)."""
    return sac.value(state.parent, observations, config)
