"""Which of several policies to use, by the record alone; or none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from offline_tutor.algorithms import BC
from offline_tutor.data import Dataset
from offline_tutor.intervals import Interval, mean_interval
from offline_tutor.ope.evaluate import (
    Acts,
    asked,
    fit,
    initial_observations,
)
from offline_tutor.ope.fqe import Config
from offline_tutor.ope.importance import effective_sample_size, weighted
from offline_tutor.ope.logged import logged
from offline_tutor.ope.probabilities import cloned_behaviour
from offline_tutor.ope.resampling import episode_interval
from offline_tutor.policies import Policy
from offline_tutor.training import train
from offline_tutor.types import Discrete

RECORD, CLONE = "the record", "its clone"


@dataclass(frozen=True)
class Candidate:
    """What is believed of a policy.

    Attributes:
        name: what it is called.
        value: fitted Q evaluation's estimate of its discounted return, with an interval
            over the networks' seeds (`Evaluation.interval`).
        halfway: the same after half of the training.
        believed: what its own critic says at the same starts; NaN without one.
        weighted: weighted importance sampling's estimate; NaN where actions are
            continuous, or no episode has weight.
        episodes: the effective number of episodes that it rests on (Kong 1992).
        possible: False where `value` is none that a policy can have: then it is not
            to be trusted, however high (`Evaluation.believable`).
        settled: whether the second half of the training hardly moved it.
    """

    name: str
    value: Interval
    halfway: Interval
    believed: float
    weighted: float
    episodes: float
    possible: bool
    settled: bool

    @property
    def remarks(self) -> str:
        """What speaks against the value; empty where nothing does."""
        if not self.possible:
            return "impossible"
        return "" if self.settled else "still moving"


@dataclass(frozen=True)
class Choice:
    """What `choose` found; printed, it is a table and a recommendation.

    Attributes:
        candidates: in the order given.
        record, clone: the same of what was recorded, and of its clone.
        returns: the discounted returns of the recorded episodes, with an interval over
            episodes; one that was cut counts up to there.
        recommended: the name of a candidate, or None: keep what you have.
        reason: a sentence.
    """

    candidates: tuple[Candidate, ...]
    record: Candidate
    clone: Candidate
    returns: Interval
    recommended: str | None
    reason: str

    def __str__(self) -> str:
        """A line for each, and the recommendation."""
        everyone = [*self.candidates, self.clone, self.record]
        width = max(len(one.name) for one in everyone)
        heads = f"{'worth, with interval':>24}  {'believed':>9}  {'weighted':>14}"
        lines = [f"{'':{width}}  {heads}", *(_line(one, width) for one in everyone)]
        lines.append(f"recorded returns: {_shown(self.returns)}")
        chosen = self.recommended or "none of them: keep what you have"
        return "\n".join([*lines, f"recommended: {chosen}", self.reason])

    __repr__ = __str__


def _line(one: Candidate, width: int) -> str:
    """A candidate's line in the table."""
    believed = "" if np.isnan(one.believed) else f"{one.believed:.4g}"
    estimate = "none" if np.isnan(one.weighted) else f"{one.weighted:.4g}"
    share = "" if np.isnan(one.episodes) else f"{estimate} ({one.episodes:.3g})"
    numbers = f"{_shown(one.value):>24}  {believed:>9}  {share:>14}"
    return f"{one.name:{width}}  {numbers}  {one.remarks}".rstrip()


def _shown(interval: Interval) -> str:
    """An interval in four digits."""
    return "{:.4g} [{:.4g}, {:.4g}]".format(*interval)


def choose(
    policies: Mapping[str, Acts],
    dataset: Dataset,
    *,
    config: Config | None = None,
    num_steps: int = 6000,
    batch_size: int = 256,
    seeds: int = 5,
    normalize: bool = True,
) -> Choice:
    """Judges policies by the record alone, and recommends one of them, or none.

    The recommended one has the highest value by fitted Q evaluation of those that are
    possible, and its interval lies above that of what was recorded, after half of the
    training and after all of it. What was recorded is judged in the same way: by its
    own next actions, and where an episode was cut, by its clone's.

    It is no proof. What the record never shows, no estimate knows: before a policy acts
    in earnest, try it a little (chapter 41 shows how often that changes the choice).

    Args:
        policies: by name, each as in `fitted_q_evaluation`.
        dataset: the record.
        config: `FQE.Config`, whose discount is that of the returns.
        num_steps, batch_size, seeds, normalize: as in `fitted_q_evaluation`; two seeds
            or more.

    Raises:
        ValueError: as `fitted_q_evaluation` does, or for fewer than two seeds.
    """
    if not policies:
        raise ValueError("policies is empty; give one or more, by name")
    if taken := {RECORD, CLONE} & set(policies):
        raise ValueError(f"policies: {taken.pop()!r} names what they are compared with")
    if seeds < 2:
        raise ValueError(f"seeds is {seeds}; an interval needs two or more")
    settings = config or Config()
    clone = _clone_of(dataset)
    everyone = {**policies, CLONE: clone}
    first = initial_observations(dataset)
    after = [
        asked(policy, dataset, dataset.transitions.next_observations)
        for policy in everyone.values()
    ]
    at_start = [asked(policy, dataset, first) for policy in everyone.values()]
    recorded = _recorded(dataset, cut=after[-1])
    evaluations = fit(
        np.stack([*after, recorded[0]], 1),
        np.stack([*at_start, recorded[1]]),
        dataset,
        settings,
        num_steps=num_steps,
        batch_size=batch_size,
        seeds=seeds,
        normalize=normalize,
    )
    weights = _weights(everyone, dataset, clone, settings.discount)
    found = [
        Candidate(
            name,
            one.interval(),
            mean_interval(one.before),
            _believed(everyone.get(name), first),
            *weights[name],
            one.believable,
            one.settled,
        )
        for name, one in zip([*everyone, RECORD], evaluations, strict=True)
    ]
    *candidates, imitation, record = found
    recommended, reason = _recommend(candidates, record)
    return Choice(
        tuple(candidates),
        record,
        imitation,
        _returns(dataset, settings.discount),
        recommended,
        reason,
    )


def _recommend(
    candidates: Sequence[Candidate], record: Candidate
) -> tuple[str | None, str]:
    """The name of the best that can be trusted, or None, and why."""
    trusted = [one for one in candidates if one.possible]
    if not trusted:
        return None, "All estimates are impossible: the candidates leave the record."
    if not record.possible:
        return None, "Even the record's own value came out impossible: train longer."
    best = max(trusted, key=lambda one: one.value.estimate)
    lowest = min(best.value.low, best.halfway.low)
    if not lowest > max(record.value.high, record.halfway.high):
        return None, f"{best.name}, the best, is not clearly above what was recorded."
    return best.name, "Its interval lies above that of what was recorded."


def _clone_of(dataset: Dataset) -> Acts:
    """A policy that imitates the record: probabilities where actions are discrete."""
    if isinstance(dataset.spec.actions, Discrete):
        return cloned_behaviour(dataset)
    config = BC.Config(hidden=(64, 64), actor_learning_rate=1e-3)
    run = train(
        BC,
        dataset,
        config=config,
        num_steps=3000,
        every=3000,
        seeds=[0],
        normalize=True,
        progress=False,
    )
    return run.policy.seed(0)


def _recorded(dataset: Dataset, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The record as a policy: what it did next, and first; `cut` follows a cut."""
    actions, starts = np.asarray(dataset.transitions.actions), dataset.episode_slices()
    if isinstance(dataset.spec.actions, Discrete):
        actions = np.eye(dataset.spec.num_actions, dtype=np.float32)[actions]
    following = np.roll(actions, -1, axis=0)
    after = np.where(np.asarray(dataset.truncations)[:, None], cut, following)
    return after, actions[[rows.start for rows in starts]]


def _weights(
    policies: Mapping[str, Acts], dataset: Dataset, clone: Acts, discount: float
) -> dict[str, tuple[float, float]]:
    """For each, weighted importance sampling's estimate and its effective episodes."""
    nothing = dict.fromkeys([*policies, RECORD], (np.nan, np.nan))
    if not isinstance(dataset.spec.actions, Discrete):
        return nothing
    found = {}
    for name, policy in policies.items():
        seen = logged(dataset, partial(asked, policy, dataset), clone)
        estimate = weighted(seen.ratios, seen.rewards, discount)
        found[name] = estimate, effective_sample_size(seen.ratios)
    return nothing | found


def _believed(policy: Any, observations: np.ndarray) -> float:
    """What a policy's own critic says of it, on average; NaN without one."""
    if (
        not isinstance(policy, Policy)
        or getattr(policy.algorithm, "value", None) is None
    ):
        return np.nan
    return float(np.mean(policy.value(observations)))


def _returns(dataset: Dataset, discount: float) -> Interval:
    """The discounted returns of recorded episodes, with an interval over episodes."""
    rewards = np.asarray(dataset.transitions.rewards, np.float64)
    each = np.array(
        [
            rewards[rows] @ discount ** np.arange(rows.stop - rows.start)
            for rows in dataset.episode_slices()
        ]
    )
    if len(each) < 2:
        return Interval(float(each.mean()), np.nan, np.nan)
    return episode_interval(lambda drawn: float(each[drawn].mean()), len(each))
