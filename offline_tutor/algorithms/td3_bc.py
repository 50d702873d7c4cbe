"""TD3 + behaviour cloning (Fujimoto and Gu 2021): TD3 with one loss replaced.

The actor still looks for the action that the critic likes best, but stays close to what
the data did. Where paper and authors' code differ, this follows the code: the squared
distance is averaged over action dimensions, and the weight divides by the mean |Q| of
the policy's own actions (equation 5 has the data's). States may be normalised:
`train(..., normalize=True)`.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp

from offline_tutor.algorithms import td3
from offline_tutor.algorithms.td3 import TD3, State
from offline_tutor.types import Array, Params, Scalar, Transitions


class Config(td3.Config):
    """TD3's, and one more."""

    alpha: float = 2.5  # weight of the value against cloning; section 5 of the paper


def actor_loss(
    actor: Params, state: State, batch: Transitions, key: Array, config: Config
) -> Scalar:
    """Equation 3 of the paper: value of size `alpha`, less the distance to the data."""
    proposal = td3.policy(actor, batch.observations, config.max_action)
    q = td3.values(state.critic[:1], batch.observations, proposal)
    weight = config.alpha / jax.lax.stop_gradient(jnp.abs(q).mean())
    return -weight * q.mean() + ((proposal - batch.actions) ** 2).mean()


TD3_BC = replace(TD3, name="td3_bc", Config=Config, actor_loss=actor_loss)
