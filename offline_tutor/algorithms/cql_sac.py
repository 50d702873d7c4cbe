"""Conservative Q-Learning (Kumar et al. 2020) on SAC, with one loss replaced.

CQL(H), equation 4 of the paper: Q is pushed down where it is large and up at what the
data did. Over continuous actions the sum becomes an integral, which is estimated from
uniformly random actions and from the policy's own at this observation and at the next,
each weighted by one over the density it was drawn with (appendix F); without these
weights it would be CQL(rho). All are valued at this observation: the next observation
only supplies further policy actions.

As in the authors' code, and unlike SAC, the critics' targets count no entropy, and
unlike in equation 4 the squared error is not halved, so that the same alpha weighs half
as much.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp

from offline_tutor.algorithms import sac, td3
from offline_tutor.algorithms.sac import SAC, State
from offline_tutor.algorithms.td3 import Critic
from offline_tutor.types import Array, Params, PerRow, Scalar, Transitions


class Config(sac.Config):
    """SAC's, and two more."""

    alpha: float = 5.0  # weight of the penalty; the authors advise 5 or 10 on MuJoCo
    num_samples: int = 10  # actions from each of the three distributions


def target_values(
    state: State, batch: Transitions, key: Array, config: Config
) -> PerRow:
    """SAC's at temperature 0: without entropy."""
    without_entropy = state._replace(log_temperature=-jnp.inf)
    return sac.target_values(without_entropy, batch, key, config)


def propose(
    actor: Params, batch: Transitions, key: Array, config: Config
) -> tuple[Array, Array]:
    """Actions, (3 samples, batch, action), and the log-densities of their draws."""
    keys = jax.random.split(key, 3)
    shape = (config.num_samples, *batch.actions.shape)
    uniform = jax.random.uniform(keys[0], shape, minval=-1.0)
    # They fill a cube with sides of 2.
    anywhere = uniform, jnp.full(shape[:2], -shape[2] * jnp.log(2.0))
    here = sac.sample(actor, batch.observations, jax.random.normal(keys[1], shape))
    there = sac.sample(
        actor, batch.next_observations, jax.random.normal(keys[2], shape)
    )
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), anywhere, here, there)


def gaps(
    critic: Critic, batch: Transitions, actions: Array, log_densities: Array
) -> Array:
    """Mean gap of each critic above its value of the data's actions: (critics,).

    The logarithm of the integral of exp Q over actions, up to a constant, less Q of the
    data.
    """
    everywhere = td3.values(critic, batch.observations, actions) - log_densities
    at_data = td3.values(critic, batch.observations, batch.actions)
    return (jax.nn.logsumexp(everywhere, axis=1) - at_data).mean(-1)


def critic_loss(
    critic: Critic,
    state: State,
    batch: Transitions,
    targets: PerRow,
    key: Array,
    config: Config,
) -> Scalar:
    """The parent's loss plus alpha times every gap; equation 4 halves the former."""
    penalty = gaps(critic, batch, *propose(state.actor, batch, key, config)).sum()
    parents = sac.critic_loss(critic, state, batch, targets, key, config)
    return parents + config.alpha * penalty


CQL_SAC = replace(
    SAC,
    name="cql_sac",
    Config=Config,
    target_values=target_values,
    critic_loss=critic_loss,
)
