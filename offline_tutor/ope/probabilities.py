"""How likely a policy with discrete actions is to take each of them."""

from __future__ import annotations

import jax
import numpy as np

from offline_tutor.algorithms import BC_DISCRETE
from offline_tutor.data import Dataset
from offline_tutor.networks import mlp
from offline_tutor.ope.logged import Probabilities
from offline_tutor.policies import Policy
from offline_tutor.training import train


def deterministic(policy: Policy) -> Probabilities:
    """Probability 1 for the action that a policy takes, and 0 for all others."""
    return softened(policy, 0.0)


def softened(policy: Policy, epsilon: float) -> Probabilities:
    """A policy that takes a uniformly random action with probability `epsilon`.

    Importance weights of a deterministic policy are 0 as soon as it disagrees once with
    the record; softened, it keeps a little of every episode, and is another policy.

    Raises:
        ValueError: where actions are continuous, or epsilon is no probability.
    """
    num_actions = policy.spec.num_actions
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon is {epsilon}; give a probability, from 0 to 1")

    def probabilities(observations: np.ndarray) -> np.ndarray:
        taken = np.asarray(policy(observations))
        greedy = np.eye(num_actions)[taken]
        return (1 - epsilon) * greedy + epsilon / num_actions

    return probabilities


def cloned_behaviour(
    dataset: Dataset, *, num_steps: int = 3000, seed: int = 0
) -> Probabilities:
    """The probabilities of the recorded actions, estimated by behaviour cloning.

    For records that do not have them. The estimate is a network's: where the record
    mixes several policies it gives their mixture, and where it is overconfident the
    ratios are wrong by as much.

    Raises:
        ValueError: where actions are continuous.
    """
    config = BC_DISCRETE.Config(hidden=(64, 64), actor_learning_rate=1e-3)
    run = train(
        BC_DISCRETE,
        dataset,
        config=config,
        num_steps=num_steps,
        every=num_steps,
        seeds=[seed],
        normalize=True,
        progress=False,
    )
    clone = run.policy.seed(seed)

    def probabilities(observations: np.ndarray) -> np.ndarray:
        scores = mlp(clone.state.actor, clone.normalization.observe(observations))
        return np.asarray(jax.nn.softmax(scores, axis=-1))

    return probabilities
