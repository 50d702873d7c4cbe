"""Conservative Q-Learning (Kumar et al. 2020) on SAC: its parent with one loss replaced.

CQL(H), equation 4 of the paper: Q is pushed down where it is large and up at what the data did.
Over continuous actions the sum becomes an integral, which is estimated from uniformly random
actions and from the policy's own at this observation and at the next, each weighted by one over
the density it was drawn with (appendix F). All are valued at this observation: the next one is
only another place to take actions from. As in the authors' code, and against SAC, the critics'
targets count no entropy.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from offline_tutor.algorithms import sac, td3
from offline_tutor.algorithms.sac import State, act, explore, init, value  # noqa: F401  (the parent's)
from offline_tutor.algorithms.td3 import Critic
from offline_tutor.types import Array, Transitions
from offline_tutor.networks import mean_in_chunks


@dataclass(frozen=True)
class Config(sac.Config):
    """SAC's, and two more."""

    alpha: float = 5.0  # weight of the penalty; the authors recommend 5 or 10 on MuJoCo's tasks
    num_samples: int = 10  # actions from each of the three distributions
    entropy_in_target: bool = False


def propose(state: State, batch: Transitions, key: Array, config: Config) -> tuple[Array, Array]:
    """Actions, (batch, 3 samples, action), and the log-densities they were drawn with."""
    uniform_key, normal_key = jax.random.split(key)
    shape = (config.num_samples, *batch.actions.shape)
    uniform = jax.random.uniform(uniform_key, shape, minval=-1.0)
    normal = jax.random.normal(normal_key, (2, *shape))
    here, log_here = sac.sample(state.actor, batch.observations, normal[0])
    there, log_there = sac.sample(state.actor, batch.next_observations, normal[1])
    log_uniform = jnp.full(shape[:2], -shape[2] * jnp.log(2.0))  # of a cube with sides of 2
    actions = jnp.concatenate([uniform, here, there]).swapaxes(0, 1)
    return actions, jnp.concatenate([log_uniform, log_here, log_there]).swapaxes(0, 1)


def gaps(critic: Critic, batch: Transitions, actions: Array, log_densities: Array) -> Array:
    """How far each critic stands above what it says of the data's actions: (2,), batch means.

    The logarithm of the integral of exp Q over actions, but for a constant, less Q of the data.
    """
    observations = jnp.repeat(batch.observations[:, None], actions.shape[1], axis=1)
    everywhere = jnp.stack(td3.values(critic, observations, actions))
    at_data = jnp.stack(td3.values(critic, batch.observations, batch.actions))
    return (jax.nn.logsumexp(everywhere - log_densities, axis=-1) - at_data).mean(-1)


def critic_loss(
    critic: Critic, state: State, batch: Transitions, targets: Array, key: Array, config: Config
) -> Array:
    """Equation 4 of the paper: the parent's loss and, times alpha, both critics' gaps."""

    def loss(critic: Critic, batch: Transitions, targets: Array, *proposals: Array) -> Array:
        penalty = config.alpha * gaps(critic, batch, *proposals).sum()
        return td3.critic_loss(critic, batch, targets) + penalty

    return mean_in_chunks(loss, critic, batch, targets, *propose(state, batch, key, config))


update = partial(sac.update, critic_loss=critic_loss)
