"""How far a mean over a few training seeds can be trusted."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit


class Interval(NamedTuple):
    """An estimate with its interval."""

    estimate: float
    low: float
    high: float


def mean_interval(
    values: np.ndarray,
    *,
    confidence: float = 0.95,
    possible: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Student's t interval for a mean over training seeds, corrected for skewness.

    The correction is the cubic transformation of Hall (1992, On the removal of skewness by
    transformation). In simulations with ten seeds, 95 % intervals cover the mean of normal and of
    exponential results in 93 to 95 % of cases; percentile bootstraps do in 86 to 92 %. With five
    seeds the two are 95 and 91 %, and 84 and 80 %. Failures so rare that ten seeds show none cannot
    be known from ten seeds (`tests/unit/test_intervals.py`).

    Args:
        values: (seeds,) or (seeds, episodes). Episodes are averaged first, since a seed is the unit
            that was drawn: sixty episodes of one run are not sixty runs.
        confidence: how often such intervals are to contain the true mean.
        possible: the smallest and the largest mean that there can be, such as (0, 1) for a share;
            the interval ends there.

    Raises:
        ValueError: for fewer than two seeds, or a confidence that is not between 0 and 1.
    """
    values = np.asarray(values, float)
    scores = values.reshape(len(values), -1).mean(1)
    if (seeds := len(scores)) < 2:
        raise ValueError(f"an interval needs at least 2 seeds, and there is {seeds}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1, such as 0.95")
    mean, error = scores.mean(), scores.std(ddof=1) / np.sqrt(seeds)
    tails = stdtrit(seeds - 1, np.array([(1 + confidence) / 2, (1 - confidence) / 2]))
    # Beyond this limit the transformation nears its pole, and single outliers decide the width.
    limit = 0.7 * np.sqrt(seeds) / tails[0]
    skewness = np.clip(_skewness(scores), -limit, limit)
    low, high = mean - error * _remove_skewness(tails, skewness, seeds)
    return Interval(float(mean), max(float(low), possible[0]), min(float(high), possible[1]))


def _skewness(scores: np.ndarray) -> float:
    """The adjusted Fisher-Pearson coefficient; 0 where it cannot be known."""
    seeds, deviations = len(scores), scores - scores.mean()
    spread = np.sqrt((deviations**2).mean())
    if seeds < 3 or np.allclose(deviations, 0, atol=1e-12 * max(1.0, np.abs(scores).max())):
        return 0.0
    return np.sqrt(seeds * (seeds - 1)) / (seeds - 2) * ((deviations / spread) ** 3).mean()


def _remove_skewness(t: np.ndarray, skewness: float, seeds: int) -> np.ndarray:
    """The quantiles of a skewed t statistic whose transformed quantiles are `t` (Hall 1992)."""
    if abs(skewness) < 1e-6:  # the limit of the formula below
        return t
    shifted = t / np.sqrt(seeds) - skewness / (6 * seeds)
    return np.sqrt(seeds) * 3 / skewness * (np.cbrt(1 + skewness * shifted) - 1)
