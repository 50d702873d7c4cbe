"""Intervals cover the true mean as often as they say, where that can be had at all."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from offline_tutor.intervals import mean_interval

RNG = np.random.default_rng
RESULTS: dict[str, tuple[Callable[..., np.ndarray], float]] = {  # draws, and their true mean
    "normal": (lambda rng, size: rng.normal(size=size), 0.0),
    "skewed": (lambda rng, size: rng.exponential(size=size), 1.0),
    "skewed downwards": (lambda rng, size: -rng.exponential(size=size), -1.0),
    "two kinds": (lambda rng, size: (rng.random(size) < 0.5).astype(float), 0.5),
    "rare failures": (lambda rng, size: np.where(rng.random(size) < 0.9, 1.0, 0.3), 0.93),
}


def coverage(name: str, seeds: int, confidence: float = 0.95) -> float:
    """The share of 3000 intervals that contain the true mean."""
    draw, mean = RESULTS[name]
    samples = draw(RNG(0), (3000, seeds))
    found = [mean_interval(scores, confidence=confidence) for scores in samples]
    return float(np.mean([low <= mean <= high for _, low, high in found]))


@pytest.mark.parametrize(
    ("name", "seeds", "least"),
    [
        ("normal", 5, 0.94),
        ("normal", 10, 0.94),
        ("skewed", 5, 0.89),  # five seeds seldom show the tail
        ("skewed", 10, 0.93),
        ("skewed downwards", 5, 0.89),
        ("skewed downwards", 10, 0.93),
        ("two kinds", 10, 0.94),
    ],
)
def test_coverage(name: str, seeds: int, least: float) -> None:
    assert least <= coverage(name, seeds) < 1


def test_no_interval_can_know_of_failures_that_did_not_happen() -> None:
    """One seed in ten fails: of ten seeds, a third see none, and their interval has no width."""
    assert 0.6 < coverage("rare failures", 10) < 0.7
    assert mean_interval(np.ones(10)) == (1, 1, 1)


def test_the_percentile_bootstrap_would_not_do() -> None:
    """Why the book does not use it: of five normal results it covers the mean in 84 % of cases."""
    samples = RNG(0).normal(size=(2000, 5))
    drawn = np.take(samples, RNG(1).integers(0, 5, (1000, 5)), axis=1).mean(-1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.84, abs=0.02)


def test_without_skewness_it_is_students() -> None:
    scores = np.array([1.0, 2, 3, 4, 5])
    low, high = stats.t.interval(0.9, 4, scores.mean(), stats.sem(scores))
    assert mean_interval(scores, confidence=0.9) == pytest.approx((3, low, high))


def test_a_long_tail_moves_the_interval_towards_it() -> None:
    scores = np.array([0.0, 0, 1, 1, 2, 2, 3, 20])
    mean, low, high = mean_interval(scores)
    assert high - mean > 1.4 * (mean - low)
    students = stats.t.interval(0.95, 7, mean, stats.sem(scores))
    assert high - low < 1.3 * (students[1] - students[0]), "one outlier does not decide the width"
    mirrored = mean_interval(-scores)
    assert mirrored == pytest.approx((-mean, -high, -low))


def test_an_interval_ends_where_the_possible_ends() -> None:
    scores = np.array([0.7, 1.0, 1.0, 1.0, 0.9])
    assert mean_interval(scores).high > 1
    assert mean_interval(scores, possible=(0, 1)).high == 1


def test_episodes_are_not_seeds() -> None:
    """A thousand episodes of each of five runs do not narrow the interval over runs."""
    scores = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    episodes = np.repeat(scores[:, None], 1000, axis=1)
    assert mean_interval(episodes) == pytest.approx(mean_interval(scores))
    with pytest.raises(ValueError, match="at least 2 seeds"):
        mean_interval(episodes[:1])


def test_confidence_is_a_share() -> None:
    with pytest.raises(ValueError, match="confidence is 95; it must lie between 0 and 1"):
        mean_interval(np.arange(3), confidence=95)
