"""TD3, the online parent (Fujimoto, van Hoof and Meger 2018).

Q-learning with a network in place of the maximum over actions: the actor is trained to find the
action that the critic likes best. Three repairs keep the critic from believing its own errors:
the smaller of two critics, noise on the target's action, and an actor that moves more slowly than
the critics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.algorithms.bc import policy
from offline_tutor.types import Array, Spec, Transitions
from offline_tutor.networks import gradient_step, init_mlp, mlp
from offline_tutor.types import Params

Critic = tuple[Params, Params]  # the twins


@dataclass(frozen=True)
class Config:
    """Noise, delay, discount and tau: the paper's, section 6.

    Sizes and rates: those of its authors' later code (the paper has 400 and 300 units, and 1e-3).
    """

    hidden: tuple[int, ...] = (256, 256)  # widths of the hidden layers of actor and critics
    actor_learning_rate: float = 3e-4  # Adam's
    critic_learning_rate: float = 3e-4  # Adam's
    discount: float = 0.99  # gamma: what a reward one step later is worth now
    tau: float = 0.005  # how far the target networks move towards the trained ones
    policy_noise: float = (
        0.2  # standard deviation of the noise on target actions, in units of the action
    )
    noise_clip: float = 0.5  # and its largest size
    policy_delay: int = 2  # critic updates for each update of the actor and of the targets
    exploration_noise: float = 0.1  # standard deviation of the noise on actions tried online
    max_action: float = 1.0  # actions lie in [-max_action, max_action]; training scales them to 1


class State(NamedTuple):
    """What training changes."""

    step: Array  # critic updates so far, ()
    actor: Params
    critic: Critic
    target_actor: Params
    target_critic: Critic
    actor_optimizer: Any
    critic_optimizer: Any


def values(critic: Critic, observations: Array, actions: Array) -> tuple[Array, Array]:
    """What each of the two critics thinks the actions are worth: twice (batch,)."""
    inputs = jnp.concatenate([observations, actions], axis=-1)
    first, second = critic
    return mlp(first, inputs).squeeze(-1), mlp(second, inputs).squeeze(-1)


def target_values(state: State, batch: Transitions, noise: Array, config: Config) -> Array:
    """What the critics should have said, (batch,): algorithm 1, lines 6 and 7 of the paper.

    `noise` is standard normal, (batch, action). Only a termination ends the sum of rewards.
    """
    noise = jnp.clip(config.policy_noise * noise, -config.noise_clip, config.noise_clip)
    actions = policy(state.target_actor, batch.next_observations, config.max_action) + noise
    actions = jnp.clip(actions, -config.max_action, config.max_action)
    next_q = jnp.minimum(*values(state.target_critic, batch.next_observations, actions))
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def critic_loss(critic: Critic, batch: Transitions, targets: Array) -> Array:
    """Mean squared error of both critics against the same targets."""
    q1, q2 = values(critic, batch.observations, batch.actions)
    return ((q1 - targets) ** 2).mean() + ((q2 - targets) ** 2).mean()


def actor_loss(actor: Params, state: State, batch: Transitions, config: Config) -> Array:
    """Minus what the first critic thinks of the policy's own actions."""
    proposal = policy(actor, batch.observations, config.max_action)
    return -values(state.critic, batch.observations, proposal)[0].mean()


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state; targets start as copies. Raises ValueError where the actions are discrete."""
    keys = jax.random.split(key, 3)
    actor = init_mlp(keys[0], spec.observation_dim, (*config.hidden, spec.action_dim))
    inputs = spec.observation_dim + spec.action_dim
    first, second = (init_mlp(key, inputs, (*config.hidden, 1)) for key in keys[1:])
    critic = (first, second)
    return State(
        step=jnp.zeros((), int),
        actor=actor,
        critic=critic,
        target_actor=actor,
        target_critic=critic,
        actor_optimizer=optax.adam(config.actor_learning_rate).init(actor),
        critic_optimizer=optax.adam(config.critic_learning_rate).init(critic),
    )


def update_critic(
    state: State, batch: Transitions, targets: Array, config: Config
) -> tuple[State, dict[str, Array]]:
    """One gradient step on both critics; the loss before it, and the targets' mean."""
    critic, optimizer, loss = gradient_step(
        lambda critic: critic_loss(critic, batch, targets),
        state.critic,
        state.critic_optimizer,
        config.critic_learning_rate,
    )
    state = state._replace(step=state.step + 1, critic=critic, critic_optimizer=optimizer)
    return state, {"critic_loss": loss, "q": targets.mean()}


def update_actor(
    state: State, batch: Transitions, config: Config, actor_loss: Callable[..., Array] = actor_loss
) -> tuple[State, Array]:
    """One gradient step on the actor, then every target moves a little; the loss before it."""
    actor, optimizer, loss = gradient_step(
        lambda actor: actor_loss(actor, state, batch, config),
        state.actor,
        state.actor_optimizer,
        config.actor_learning_rate,
    )
    state = state._replace(
        actor=actor,
        actor_optimizer=optimizer,
        target_actor=optax.incremental_update(actor, state.target_actor, config.tau),
        target_critic=optax.incremental_update(state.critic, state.target_critic, config.tau),
    )
    return state, loss


def update(
    state: State,
    batch: Transitions,
    key: Array,
    config: Config,
    actor_loss: Callable[..., Array] = actor_loss,
) -> tuple[State, dict[str, Array]]:
    """One step of TD3: the critics always, actor and targets every `policy_delay`-th time."""
    noise = jax.random.normal(key, batch.actions.shape, batch.actions.dtype)
    targets = target_values(state, batch, noise, config)
    state, metrics = update_critic(state, batch, targets, config)
    state, loss = jax.lax.cond(
        state.step % config.policy_delay == 0,
        lambda state: update_actor(state, batch, config, actor_loss),
        lambda state: (state, jnp.full_like(metrics["critic_loss"], jnp.nan)),
        state,
    )
    return state, metrics | {"actor_loss": loss}


def round_length(config: Config) -> int:
    """How many steps `update_round` takes at once: from one step of the actor to the next."""
    return config.policy_delay


def update_round(
    state: State,
    batches: Transitions,
    keys: Array,
    config: Config,
    actor_loss: Callable[..., Array] = actor_loss,
) -> tuple[State, dict[str, Array]]:
    """What as many calls of `update` do, faster; arrays of `batches` begin with an axis of them.

    Targets stand still until the actor moves: one pass finds those of all minibatches.
    """
    noise = jax.vmap(lambda key: jax.random.normal(key, batches.actions.shape[1:]))(keys)
    everything, all_noise = jax.tree.map(jnp.concatenate, (batches, noise))
    targets = target_values(state, everything, all_noise, config).reshape(len(keys), -1)
    state, metrics = jax.lax.scan(
        lambda state, minibatch: update_critic(state, *minibatch, config),
        state,
        (batches, targets),
    )
    state, loss = update_actor(state, jax.tree.map(itemgetter(-1), batches), config, actor_loss)
    means = jax.tree.map(jnp.mean, metrics)
    return state, means | {"actor_loss": loss}


def act(state: State, observations: Array, config: Config) -> Array:
    """The policy one deploys: (batch, action)."""
    return policy(state.actor, observations, config.max_action)


def explore(state: State, observations: Array, key: Array, config: Config) -> Array:
    """The policy with Gaussian noise, to try things out online: (batch, action)."""
    actions = act(state, observations, config)
    noise = config.exploration_noise * jax.random.normal(key, actions.shape)
    return jnp.clip(actions + noise, -config.max_action, config.max_action)


def value(state: State, observations: Array, config: Config) -> Array:
    """What the first critic believes that the policy is worth: (batch,)."""
    return values(state.critic, observations, act(state, observations, config))[0]
