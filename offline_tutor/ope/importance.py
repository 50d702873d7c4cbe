"""Importance sampling: what another policy would have earned in recorded episodes.

Episodes lie side by side, (episodes, steps), padded behind their ends with rewards of 0
and ratios of 1. A ratio is the probability that the policy in question gives to the
recorded action, over the probability with which that action was recorded. All estimates
are discounted returns.
"""

from __future__ import annotations

import numpy as np


def importance_sampling(
    ratios: np.ndarray, rewards: np.ndarray, discount: float
) -> float:
    """Mean of the product of all ratios times the return (Precup et al. 2000).

    Without bias, and with a variance that grows exponentially with the length of the
    episodes.
    """
    returns = _discounted(rewards, discount).sum(1)
    return float((np.prod(ratios, axis=1) * returns).mean())


def per_decision(ratios: np.ndarray, rewards: np.ndarray, discount: float) -> float:
    """The same, but each reward is weighted by the ratios up to its own step only.

    What happens later cannot change a reward, so that the estimate stays without bias,
    and varies less (Precup et al. 2000, equation 3).
    """
    return float(
        (np.cumprod(ratios, axis=1) * _discounted(rewards, discount)).sum(1).mean()
    )


def weighted(ratios: np.ndarray, rewards: np.ndarray, discount: float) -> float:
    """Importance sampling whose weights are divided by their sum, "self-normalised".

    It lies between the smallest and the largest return, and has a bias that vanishes
    with many episodes: with one episode it is that episode's return. NaN where all
    weights are 0.
    """
    weights = _normalised(_log_products(ratios)[:, -1])
    return float(weights @ _discounted(rewards, discount).sum(1))


def weighted_per_decision(
    ratios: np.ndarray, rewards: np.ndarray, discount: float
) -> float:
    """Per-decision importance sampling, each step divided by its sum of weights.

    Episodes that have ended keep their last weight. NaN where all weights of a step are
    0.
    """
    weights = _normalised(_log_products(ratios))
    return float((weights * _discounted(rewards, discount)).sum())


def effective_sample_size(ratios: np.ndarray) -> float:
    """A rule of thumb for how many episodes carry the weight (Kong 1992).

    The squared sum of the whole products over the sum of their squares: from 1, where
    one episode carries all weight, to the number of episodes; 0 where all products are
    0.
    """
    logs = _log_products(ratios)[:, -1]
    if np.isneginf(logs).all():
        return 0.0
    return float(1 / (_normalised(logs) ** 2).sum())


def doubly_robust(
    ratios: np.ndarray,
    rewards: np.ndarray,
    values_taken: np.ndarray,
    values: np.ndarray,
    alive: np.ndarray,
    discount: float,
) -> float:
    """Importance sampling of what values have missed (Jiang and Li 2016, equation 10).

    Without bias if either the ratios or the values are right.

    Args:
        ratios, rewards: (episodes, steps).
        values_taken: (episodes, steps), the estimate's values of the recorded actions.
        values: (episodes, steps), those of the policy: the mean over its actions.
        alive: (episodes, steps) bool, True up to an episode's last step.
        discount: what a reward one step later is worth now.
    """
    estimate = np.zeros(len(ratios))
    for step in reversed(range(ratios.shape[1])):
        surprise = rewards[:, step] + discount * estimate - values_taken[:, step]
        now = values[:, step] + ratios[:, step] * surprise
        estimate = np.where(alive[:, step], now, 0.0)
    return float(estimate.mean())


def _discounted(rewards: np.ndarray, discount: float) -> np.ndarray:
    """Rewards as they count at the start of their episodes: (episodes, steps)."""
    return rewards * discount ** np.arange(rewards.shape[1])


def _log_products(ratios: np.ndarray) -> np.ndarray:
    """Logarithms of the products of ratios so far, (episodes, steps): no overflow."""
    with np.errstate(divide="ignore"):
        return np.cumsum(np.log(ratios), axis=1)


def _normalised(logs: np.ndarray) -> np.ndarray:
    """Weights that sum to 1 over episodes, from logarithms of multiples of them."""
    with np.errstate(invalid="ignore"):
        weights = np.exp(logs - logs.max(0))
        return weights / weights.sum(0)
