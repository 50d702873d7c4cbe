"""TD3, the online parent (Fujimoto, van Hoof and Meger 2018).

Q-learning with a network in place of the maximum over actions: the actor is trained to
find the action that the critic likes best. Three repairs keep the critic from believing
its own errors: the smaller of two critics, noise on the target's action, and an actor
that moves more slowly than the critics.
"""

from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from offline_tutor.algorithms.algorithm import ActorCritic
from offline_tutor.algorithms.bc import policy
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.networks import gradient_step, init_mlp, mlp
from offline_tutor.types import (
    Array,
    Metrics,
    Params,
    PerRow,
    Scalar,
    Spec,
    Transitions,
)

Critic = tuple[Params, ...]  # the twins


class Config(Hyperparameters):
    """Noise, delay, discount and tau: the paper's, section 6.

    Sizes and rates: those of its authors' later code (the paper has 400 and 300 units,
    and 1e-3).
    """

    hidden: tuple[int, ...] = (256, 256)  # hidden widths of actor and critics
    actor_learning_rate: float = 3e-4  # Adam's
    critic_learning_rate: float = 3e-4  # Adam's
    discount: float = 0.99  # gamma: what a reward one step later is worth now
    tau: float = 0.005  # how far the target networks move towards the trained ones
    policy_noise: float = 0.2  # standard deviation of the noise on the target's actions
    noise_clip: float = 0.5  # and its largest size; both in units of the action
    policy_delay: int = 2  # critic updates per update of actor and targets
    exploration_noise: float = 0.1  # standard deviation of the noise online
    max_action: float = 1.0  # bound of the actions' size; training scales it to 1


class State(NamedTuple):
    """What training changes."""

    step: Array  # critic updates so far, ()
    actor: Params
    critic: Critic
    target_actor: Params
    target_critic: Critic
    actor_optimizer: Any
    critic_optimizer: Any


def values(critic: Critic, observations: Array, actions: Array) -> Array:
    """What each critic believes the actions are worth: (critics, ..., batch).

    `actions` may have axes before the batch's, for several actions at each observation.
    """
    shape = (*actions.shape[:-1], observations.shape[-1])
    observations = jnp.broadcast_to(observations, shape)
    inputs = jnp.concatenate([observations, actions], axis=-1)
    return jnp.stack([mlp(params, inputs).squeeze(-1) for params in critic])


def target_values(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """Bootstrapped targets for Q(s, a), (batch,): the paper's algorithm 1.

    Only a termination ends the sum of rewards.
    """
    noise = config.policy_noise * jax.random.normal(key, batch.actions.shape)
    noise = jnp.clip(noise, -config.noise_clip, config.noise_clip)
    bound = config.max_action
    actions = policy(state.target_actor, batch.next_observations, bound) + noise
    actions = jnp.clip(actions, -bound, bound)
    next_q = values(state.target_critic, batch.next_observations, actions).min(0)
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def critic_loss(
    critic: Critic,
    state: Any,
    batch: Transitions,
    targets: PerRow,
    key: Array,
    config: Any,
) -> Scalar:
    """Mean squared error of each critic against shared targets, summed over critics."""
    q = values(critic, batch.observations, batch.actions)
    return ((q - targets) ** 2).mean(-1).sum()


def actor_loss(
    actor: Params, state: State, batch: Transitions, key: Array, config: Config
) -> Scalar:
    """Minus what the first critic believes the policy's own actions are worth."""
    proposal = policy(actor, batch.observations, config.max_action)
    return -values(state.critic[:1], batch.observations, proposal).mean()


def init(key: Array, config: Config, spec: Spec) -> State:
    """A fresh state; targets start as copies. Discrete actions raise ValueError."""
    keys = jax.random.split(key, 3)
    actor = init_mlp(keys[0], spec.observation_dim, (*config.hidden, spec.action_dim))
    inputs = spec.observation_dim + spec.action_dim
    critic = tuple(init_mlp(key, inputs, (*config.hidden, 1)) for key in keys[1:])
    return State(
        step=jnp.zeros((), int),
        actor=actor,
        critic=critic,
        target_actor=actor,
        target_critic=critic,
        actor_optimizer=optax.adam(config.actor_learning_rate).init(actor),
        critic_optimizer=optax.adam(config.critic_learning_rate).init(critic),
    )


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
    return values(state.critic[:1], observations, act(state, observations, config))[0]


def update_critic(
    algorithm: ActorCritic,
    state: Any,
    batch: Transitions,
    targets: Array,
    key: Array,
    config: Any,
) -> tuple[Any, Array]:
    """One gradient step on a state's critics, TD3's or others; the loss before it."""
    critic, optimizer, loss = gradient_step(
        lambda critic: algorithm.critic_loss(
            critic, state, batch, targets, key, config
        ),
        state.critic,
        state.critic_optimizer,
        config.critic_learning_rate,
    )
    step = state.step + 1
    return state._replace(step=step, critic=critic, critic_optimizer=optimizer), loss


def critic_steps(
    algorithm: ActorCritic,
    state: Any,
    batches: Transitions,
    targets: Array,
    keys: Array,
    config: Any,
    first: Any,
    last: Any,
) -> tuple[Any, Array]:
    """The critics' steps `first` to `last`; the losses before them, else NaN.

    Arrays begin with an axis of the round's steps, those that are not taken included.
    """

    def step(i: Array, carry: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
        state, losses = carry
        batch, q, key = jax.tree.map(itemgetter(i), (batches, targets, keys))
        state, loss = update_critic(algorithm, state, batch, q, key, config)
        return state, losses.at[i].set(loss)

    losses = jnp.full(len(targets), jnp.nan)
    return jax.lax.fori_loop(first, last, step, (state, losses))


def update_actor(
    algorithm: ActorCritic, state: State, batch: Transitions, key: Array, config: Config
) -> tuple[State, Array]:
    """One gradient step on the actor, then all targets move; the loss before it."""
    actor, optimizer, loss = gradient_step(
        lambda actor: algorithm.actor_loss(actor, state, batch, key, config),
        state.actor,
        state.actor_optimizer,
        config.actor_learning_rate,
    )
    state = state._replace(
        actor=actor,
        actor_optimizer=optimizer,
        target_actor=optax.incremental_update(actor, state.target_actor, config.tau),
        target_critic=optax.incremental_update(
            state.critic, state.target_critic, config.tau
        ),
    )
    return state, loss


def end_round(
    algorithm: ActorCritic, state: State, batch: Transitions, key: Array, config: Any
) -> tuple[State, Array]:
    """The actor's step if the round is over; else nothing, and a loss of NaN."""
    return jax.lax.cond(
        state.step % config.policy_delay == 0,
        lambda state: update_actor(algorithm, state, batch, key, config),
        lambda state: (state, jnp.full((), jnp.nan)),
        state,
    )


# Not split: the compiler drops a key that no loss draws from, but not one of three
# split keys.
def derive(keys: Array, number: int) -> Array:
    """Of each key, one of several that are independent of each other: (steps,)."""
    return jax.vmap(partial(jax.random.fold_in, data=number))(keys)


class DelayedActorCritic(ActorCritic):
    """TD3's way to train: a round of steps of the critics, then one of the actor.

    The targets stand still during a round, so that one pass finds those of all its
    minibatches: `target_values` must not read what a step of the critics changes.
    """

    def round_length(self, config: Any) -> int:
        """How many steps make a round."""
        return config.policy_delay

    def update_round(
        self,
        state: State,
        batches: Transitions,
        keys: Array,
        config: Any,
        first: Any,
        last: Any,
    ) -> tuple[State, Metrics]:
        """Steps `first` to `last` of a round; at its end, actor and targets move.

        Arrays of `batches`, `keys` and metrics begin with an axis of the round's steps.
        """
        targets_of_each = jax.vmap(self.target_values, (None, 0, 0, None))
        q = targets_of_each(state, batches, derive(keys, 0), config)
        state, losses = critic_steps(
            self, state, batches, q, derive(keys, 1), config, first, last
        )
        batch, key = jax.tree.map(itemgetter(-1), (batches, derive(keys, 2)))
        state, loss = end_round(self, state, batch, key, config)
        return state, {
            "critic_loss": losses,
            "q": jnp.where(jnp.isnan(losses), jnp.nan, q.mean(-1)),
            "actor_loss": jnp.full_like(losses, jnp.nan).at[-1].set(loss),
        }

    def update(
        self, state: State, batch: Transitions, key: Array, config: Any
    ) -> tuple[State, Metrics]:
        """A single step, as online training takes it: a round with one minibatch."""
        batches, keys = jax.tree.map(lambda leaf: leaf[None], (batch, key))
        state, metrics = self.update_round(state, batches, keys, config, 0, 1)
        return state, jax.tree.map(itemgetter(0), metrics)


TD3 = DelayedActorCritic(
    name="td3",
    Config=Config,
    init=init,
    target_values=target_values,
    critic_loss=critic_loss,
    actor_loss=actor_loss,
    act=act,
    value=value,
    explore=explore,
)
