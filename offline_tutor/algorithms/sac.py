"""SAC, the online parent (Haarnoja et al. 2018, both papers).

The policy is a distribution over actions, and is paid for keeping it wide: to the
reward comes its entropy, times a temperature. The temperature is learned as well, so
that the entropy stays near a given target. The actor is trained through its own
samples.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.algorithms import td3
from offline_tutor.algorithms.algorithm import ActorCritic
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.algorithms.td3 import Critic, critic_loss, values
from offline_tutor.networks import gradient_step, init_mlp, mlp, squash
from offline_tutor.types import (
    Array,
    Metrics,
    Params,
    PerRow,
    Scalar,
    Spec,
    Transitions,
)


class Config(Hyperparameters):
    """Hyper-parameters of the second paper (appendix D); actions lie in [-1, 1]."""

    hidden: tuple[int, ...] = (256, 256)  # hidden widths of actor and critics
    actor_learning_rate: float = 3e-4  # Adam's
    critic_learning_rate: float = 3e-4  # Adam's
    temperature_learning_rate: float = 3e-4  # Adam's
    discount: float = 0.99  # gamma: what a reward one step later is worth now
    tau: float = 0.005  # how far the target critics move towards the trained ones
    initial_temperature: float = 1.0  # reward that one nat of entropy is worth at first
    target_entropy: float | None = None  # in nats; None: minus the action's dimension


class State(NamedTuple):
    """What training changes."""

    step: Array  # updates so far, ()
    actor: Params
    critic: Critic
    target_critic: Critic
    log_temperature: Array | float  # ()
    actor_optimizer: Any
    critic_optimizer: Any
    temperature_optimizer: Any


def policy(actor: Params, observations: Array) -> tuple[Array, Array]:
    """Mean and log standard deviation before tanh, each (batch, action)."""
    mean, log_std = jnp.split(mlp(actor, observations), 2, axis=-1)
    return mean, jnp.clip(log_std, -20, 2)


def sample(actor: Params, observations: Array, noise: Array) -> tuple[Array, Array]:
    """The policy's actions, (..., batch, action), and log-densities, (..., batch).

    `noise` is standard normal and of the actions' shape.
    """
    return squash(*policy(actor, observations), noise)


def target_values(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """Bootstrapped targets for Q(s, a), (batch,): second paper, equations 2 and 3."""
    noise = jax.random.normal(key, batch.actions.shape)
    actions, log_density = sample(state.actor, batch.next_observations, noise)
    next_q = values(state.target_critic, batch.next_observations, actions).min(0)
    next_value = next_q - jnp.exp(state.log_temperature) * log_density
    return batch.rewards + config.discount * (1 - batch.terminations) * next_value


def actor_loss(
    actor: Params, state: State, batch: Transitions, key: Array, config: Config
) -> Scalar:
    """Temperature times log-density less the smaller value: equation 7, paper 2.

    The gradient passes through the sample: the noise is given, the action follows the
    actor.
    """
    noise = jax.random.normal(key, batch.actions.shape)
    actions, log_density = sample(actor, batch.observations, noise)
    q = values(state.critic, batch.observations, actions).min(0)
    return (jnp.exp(state.log_temperature) * log_density - q).mean()


def temperature_loss(
    log_temperature: Scalar, log_density: Scalar, batch: Transitions, config: Config
) -> Scalar:
    """Raises the temperature while the entropy is below its target: equation 18.

    The paper has the temperature where its authors' code, and this, have the logarithm.
    """
    target_entropy = config.target_entropy
    if target_entropy is None:
        target_entropy = -batch.actions.shape[-1]
    return -log_temperature * (log_density + target_entropy)


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state; targets start as copies. Discrete actions raise ValueError."""
    keys = jax.random.split(key, 3)
    widths = (*config.hidden, 2 * spec.action_dim)  # means and deviations
    actor = init_mlp(keys[0], spec.observation_dim, widths)
    inputs = spec.observation_dim + spec.action_dim
    critic = tuple(init_mlp(key, inputs, (*config.hidden, 1)) for key in keys[1:])
    log_temperature = jnp.log(jnp.asarray(config.initial_temperature, float))
    temperature_optimizer = optax.adam(config.temperature_learning_rate)
    return State(
        step=jnp.zeros((), int),
        actor=actor,
        critic=critic,
        target_critic=critic,
        log_temperature=log_temperature,
        actor_optimizer=optax.adam(config.actor_learning_rate).init(actor),
        critic_optimizer=optax.adam(config.critic_learning_rate).init(critic),
        temperature_optimizer=temperature_optimizer.init(log_temperature),
    )


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys: tanh of the mean, (batch, action), without noise."""
    return jnp.tanh(policy(state.actor, observations)[0])


def explore(state: State, observations: Array, key: Array, config: Config) -> Array:
    """A sample of the policy, to try things out online: (batch, action)."""
    mean, log_std = policy(state.actor, observations)
    return squash(mean, log_std, jax.random.normal(key, mean.shape))[0]


def value(state: State, observations: Array, config: Config) -> Array:
    """What the first critic says of the deployed action, entropy included: (batch,)."""
    return values(state.critic[:1], observations, act(state, observations, config))[0]


def update_actor(
    algorithm: ActorCritic, state: State, batch: Transitions, key: Array, config: Config
) -> tuple[State, Metrics]:
    """One gradient step on actor and temperature, with the same sample of actions."""
    noise = jax.random.normal(key, batch.actions.shape)  # as the loss draws it
    log_density = sample(state.actor, batch.observations, noise)[1].mean()
    actor, actor_optimizer, loss = gradient_step(
        lambda actor: algorithm.actor_loss(actor, state, batch, key, config),
        state.actor,
        state.actor_optimizer,
        config.actor_learning_rate,
    )
    log_temperature, temperature_optimizer, _ = gradient_step(
        lambda number: temperature_loss(number, log_density, batch, config),
        state.log_temperature,
        state.temperature_optimizer,
        config.temperature_learning_rate,
    )
    temperature = jnp.exp(state.log_temperature)
    state = state._replace(
        actor=actor,
        log_temperature=log_temperature,
        actor_optimizer=actor_optimizer,
        temperature_optimizer=temperature_optimizer,
    )
    metrics = {"entropy": -log_density, "temperature": temperature}
    return state, {"actor_loss": loss, **metrics}


class SoftActorCritic(ActorCritic):
    """SAC's way to train: a gradient step on everything, then the targets move."""

    def update(
        self, state: State, batch: Transitions, key: Array, config: Any
    ) -> tuple[State, Metrics]:
        """One step of critics, actor, temperature and targets; losses before it."""
        target_key, critic_key, actor_key = jax.random.split(key, 3)
        targets = self.target_values(state, batch, target_key, config)
        state, loss = td3.update_critic(self, state, batch, targets, critic_key, config)
        state, metrics = update_actor(self, state, batch, actor_key, config)
        moved = optax.incremental_update(state.critic, state.target_critic, config.tau)
        metrics |= {"critic_loss": loss, "q": targets.mean()}
        return state._replace(target_critic=moved), metrics


SAC = SoftActorCritic(
    name="sac",
    Config=Config,
    init=init,
    target_values=target_values,
    critic_loss=critic_loss,
    actor_loss=actor_loss,
    act=act,
    value=value,
    explore=explore,
)
