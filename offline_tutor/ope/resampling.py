"""How far an estimate can be trusted: by drawing other records from this one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from offline_tutor.intervals import Interval
from offline_tutor.messages import warn
from offline_tutor.ope.importance import effective_sample_size, weighted_per_decision
from offline_tutor.ope.logged import Logged

FEWEST = 10  # effective episodes on which an interval can rest


def episode_interval(
    estimate: Callable[[np.ndarray], float],
    episodes: int,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    key: int = 0,
) -> Interval:
    """Percentile bootstrap over episodes, the unit that was drawn (Efron 1979).

    With heavy weights it covers less than it says: a record that lacks the one episode
    that would have carried the estimate cannot know of it. Look at the effective sample
    size first (`tests/unit/test_ope.py` measures the coverage).

    Args:
        estimate: from the numbers of some episodes, (episodes,) int, repeated ones
            among them, to an estimate, such as
            `lambda i: weighted(ratios[i], rewards[i], 0.99)`.
        episodes: how many there are.
        resamples: how many records to draw.
        confidence: how often such intervals are to contain the true value.
        key: the same one draws the same records.

    Raises:
        ValueError: for fewer than two episodes, or a confidence outside (0, 1).
    """
    if episodes < 2:
        raise ValueError(f"an interval needs 2 episodes or more; there is {episodes}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; give a number between 0 and 1")
    drawn = np.random.default_rng(key).integers(episodes, size=(resamples, episodes))
    found = np.array([estimate(numbers) for numbers in drawn])
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return Interval(estimate(np.arange(episodes)), float(low), float(high))


def weighted_interval(
    episodes: Logged, discount: float, *, resamples: int = 1000, key: int = 0
) -> Interval:
    """Weighted per-decision importance sampling, with an interval over episodes.

    Warns where the policy is too far from what was recorded: with an effective sample
    size below ten, a few episodes carry the estimate, and there is no interval (NaN).
    """

    def estimate(drawn: np.ndarray) -> float:
        return weighted_per_decision(
            episodes.ratios[drawn], episodes.rewards[drawn], discount
        )

    count = len(episodes.ratios)
    effective = effective_sample_size(episodes.ratios)
    if effective >= FEWEST:
        return episode_interval(estimate, count, resamples=resamples, key=key)
    warn(
        f"the effective sample size is {effective:.1f} of {count} episodes: the policy "
        "hardly ever does what was recorded, so there is no interval. Use fitted Q "
        "evaluation, or judge a policy nearer to the record (softened)."
    )
    return Interval(estimate(np.arange(count)), np.nan, np.nan)
