"""SAC, the online parent (Haarnoja et al. 2018, both papers).

The policy is a distribution over actions, and is paid for keeping it wide: to the reward comes
its entropy, times a temperature. The temperature is learned as well, so that the entropy stays
near a given target. The actor is trained through its own samples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.algorithms import td3
from offline_tutor.algorithms.td3 import Critic, values
from offline_tutor.types import Array, Spec, Transitions
from offline_tutor.networks import gradient_step, init_mlp, mlp, squash
from offline_tutor.types import Params


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of the second paper (appendix D); actions lie in [-1, 1]."""

    hidden: tuple[int, ...] = (256, 256)  # widths of the hidden layers of actor and critics
    actor_learning_rate: float = 3e-4  # Adam's
    critic_learning_rate: float = 3e-4  # Adam's
    temperature_learning_rate: float = 3e-4  # Adam's
    discount: float = 0.99  # gamma: what a reward one step later is worth now
    tau: float = 0.005  # how far the target critics move towards the trained ones
    initial_temperature: float = 1.0  # reward that one nat of entropy is worth at first
    target_entropy: float | None = None  # in nats; None: minus the number of action components
    entropy_in_target: bool = True  # whether the critics' targets count the next step's entropy


class State(NamedTuple):
    """What training changes."""

    step: Array  # updates so far, ()
    actor: Params
    critic: Critic
    target_critic: Critic
    log_temperature: Array  # ()
    actor_optimizer: Any
    critic_optimizer: Any
    temperature_optimizer: Any


def policy(actor: Params, observations: Array) -> tuple[Array, Array]:
    """Mean and log standard deviation of the policy before tanh: twice (batch, action)."""
    mean, log_std = jnp.split(mlp(actor, observations), 2, axis=-1)
    return mean, jnp.clip(log_std, -20, 2)


def sample(actor: Params, observations: Array, noise: Array) -> tuple[Array, Array]:
    """Actions of the policy, (..., batch, action), and their log-densities, (..., batch).

    `noise` is standard normal and of the actions' shape.
    """
    return squash(*policy(actor, observations), noise)


def target_values(state: State, batch: Transitions, noise: Array, config: Config) -> Array:
    """What the critics should have said, (batch,): equations 2 and 3 of the second paper."""
    actions, log_density = sample(state.actor, batch.next_observations, noise)
    next_q = jnp.minimum(*values(state.target_critic, batch.next_observations, actions))
    if config.entropy_in_target:
        next_q = next_q - jnp.exp(state.log_temperature) * log_density
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def critic_loss(
    critic: Critic, state: State, batch: Transitions, targets: Array, key: Array, config: Config
) -> Array:
    """That of TD3; `state`, `key` and `config` are for children that replace it."""
    return td3.critic_loss(critic, batch, targets)


def actor_loss(
    actor: Params, state: State, batch: Transitions, noise: Array, config: Config
) -> Array:
    """Temperature times log-density less the smaller critic's value: equation 7, second paper.

    The gradient passes through the sample: the noise is given, the action follows the actor.
    `config` is for children that replace it.
    """
    actions, log_density = sample(actor, batch.observations, noise)
    q = jnp.minimum(*values(state.critic, batch.observations, actions))
    return (jnp.exp(state.log_temperature) * log_density - q).mean()


def temperature_loss(
    log_temperature: Array, log_density: Array, batch: Transitions, config: Config
) -> Array:
    """Raises the temperature while the policy's entropy is below its target: equation 18.

    The paper has the temperature where its authors' code, and this, have the logarithm.
    """
    target_entropy = config.target_entropy
    if target_entropy is None:
        target_entropy = -batch.actions.shape[-1]
    return -log_temperature * (log_density + target_entropy)


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state; targets start as copies. Raises ValueError where the actions are discrete."""
    keys = jax.random.split(key, 3)
    actor = init_mlp(keys[0], spec.observation_dim, (*config.hidden, 2 * spec.action_dim))
    inputs = spec.observation_dim + spec.action_dim
    first, second = (init_mlp(key, inputs, (*config.hidden, 1)) for key in keys[1:])
    critic, log_temperature = (first, second), jnp.log(config.initial_temperature)
    return State(
        step=jnp.zeros((), int),
        actor=actor,
        critic=critic,
        target_critic=critic,
        log_temperature=log_temperature,
        actor_optimizer=optax.adam(config.actor_learning_rate).init(actor),
        critic_optimizer=optax.adam(config.critic_learning_rate).init(critic),
        temperature_optimizer=optax.adam(config.temperature_learning_rate).init(log_temperature),
    )


def update_critic(
    state: State,
    batch: Transitions,
    noise: Array,
    key: Array,
    config: Config,
    critic_loss: Callable[..., Array] = critic_loss,
    target_values: Callable[..., Array] = target_values,
) -> tuple[State, dict[str, Array]]:
    """One gradient step on both critics; the loss before it, and the targets' mean."""
    targets = target_values(state, batch, noise, config)
    critic, optimizer, loss = gradient_step(
        lambda critic: critic_loss(critic, state, batch, targets, key, config),
        state.critic,
        state.critic_optimizer,
        config.critic_learning_rate,
    )
    state = state._replace(step=state.step + 1, critic=critic, critic_optimizer=optimizer)
    return state, {"critic_loss": loss, "q": targets.mean()}


def update_actor(
    state: State,
    batch: Transitions,
    noise: Array,
    config: Config,
    actor_loss: Callable[..., Array] = actor_loss,
) -> tuple[State, dict[str, Array]]:
    """One gradient step on the actor and on the temperature; then the targets move a little."""
    log_density = sample(state.actor, batch.observations, noise)[1].mean()
    actor, actor_optimizer, loss = gradient_step(
        lambda actor: actor_loss(actor, state, batch, noise, config),
        state.actor,
        state.actor_optimizer,
        config.actor_learning_rate,
    )
    log_temperature, temperature_optimizer, _ = gradient_step(
        lambda value: temperature_loss(value, log_density, batch, config),
        state.log_temperature,
        state.temperature_optimizer,
        config.temperature_learning_rate,
    )
    metrics = {
        "actor_loss": loss,
        "entropy": -log_density,
        "temperature": jnp.exp(state.log_temperature),
    }
    state = state._replace(
        actor=actor,
        target_critic=optax.incremental_update(state.critic, state.target_critic, config.tau),
        log_temperature=log_temperature,
        actor_optimizer=actor_optimizer,
        temperature_optimizer=temperature_optimizer,
    )
    return state, metrics


def update(
    state: State,
    batch: Transitions,
    key: Array,
    config: Config,
    critic_loss: Callable[..., Array] = critic_loss,
) -> tuple[State, dict[str, Array]]:
    """One gradient step on everything: critics, actor, temperature."""
    noise_key, critic_key = jax.random.split(key)
    noise = jax.random.normal(noise_key, (2, *batch.actions.shape), batch.actions.dtype)
    state, critic_metrics = update_critic(state, batch, noise[0], critic_key, config, critic_loss)
    state, actor_metrics = update_actor(state, batch, noise[1], config)
    return state, critic_metrics | actor_metrics


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys: tanh of the mean, (batch, action), without noise."""
    return jnp.tanh(policy(state.actor, observations)[0])


def explore(state: State, observations: Array, key: Array, config: Config) -> Array:
    """A sample of the policy, to try things out online: (batch, action)."""
    mean, log_std = policy(state.actor, observations)
    return squash(mean, log_std, jax.random.normal(key, mean.shape))[0]


def value(state: State, observations: Array, config: Config) -> Array:
    """What the first critic believes that the deployed policy is worth: (batch,)."""
    return values(state.critic, observations, act(state, observations, config))[0]
