"""What policies are worth where recorded episodes began: fitted Q evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offline_tutor.data import Dataset
from offline_tutor.intervals import Interval, mean_interval
from offline_tutor.ope.fqe import FQE, FQE_CONTINUOUS, Config, q_values, values
from offline_tutor.ope.logged import check_probabilities
from offline_tutor.policies import Policy
from offline_tutor.training import Run, train
from offline_tutor.types import Array, Discrete

# What a policy does in (n, observation): actions, (n, action); or, where they are
# discrete, the probabilities of all of them, (n, actions), or (n,) integers.
Acts = Callable[[Any], Any]


@dataclass(frozen=True)
class Evaluation:
    """What fitted Q evaluation found.

    Attributes:
        values: (seeds, episodes), the policy's value at the start of every recorded
            episode. Their mean over *initial* states is the estimate; a mean over all
            recorded states would say what the policy is worth from where others led.
        before: the same after half of the steps; NaN if there was only one record.
        possible: the least and the largest value that any policy can have, if the
            rewards of the record are the only ones that there are.
        run: the training run of all policies that were judged together.
    """

    values: np.ndarray
    before: np.ndarray
    possible: tuple[float, float]
    run: Run | None = None

    @property
    def estimate(self) -> float:
        """The mean over seeds and starts."""
        return float(self.values.mean())

    def interval(self, confidence: float = 0.95) -> Interval:
        """The estimate, and how far other seeds of the networks would move it.

        It knows nothing of what the record lacks: networks that agree can be wrong
        together. The starts are the record's. Raises ValueError for one seed.
        """
        return mean_interval(self.values, confidence=confidence)

    @property
    def settled(self) -> bool:
        """Whether the second half of training moved no seed's estimate by over a tenth.

        A tenth of what it was before, or of its spread over the starts if that is more.
        A slow drift can pass: where a value matters, train longer and look again.
        """
        before = self.before.mean(1)
        moved = np.abs(self.values.mean(1) - before)
        scale = np.maximum(np.abs(before), self.before.std(1))
        return bool((moved <= 0.1 * scale).all())

    @property
    def believable(self) -> bool:
        """Whether every seed's estimate lies within what is possible, or nearly so.

        Nearly: a tenth of the whole range beyond its ends, since a network rounds.
        """
        low, high = self.possible
        slack = 0.1 * (high - low)
        means = self.values.mean(1)
        return bool(((means >= low - slack) & (means <= high + slack)).all())


def fitted_q_evaluation(policy: Acts, dataset: Dataset, **options: Any) -> Evaluation:
    """Fits the value of one policy, with the options of `fitted_q_evaluations`."""
    return fitted_q_evaluations([policy], dataset, **options)[0]


def fitted_q_evaluations(
    policies: Sequence[Acts],
    dataset: Dataset,
    *,
    config: Config | None = None,
    num_steps: int = 6000,
    batch_size: int = 256,
    seeds: int = 3,
    normalize: bool = True,
) -> list[Evaluation]:
    """Fits the values of policies to a record that others made (Le et al. 2019).

    All of them are fitted at once, in one compiled program. A termination ends the sum
    of rewards and a time limit does not: an estimate is of the discounted return
    without a limit of time. Values travel back along an episode only as fast as the
    target network moves: where `num_steps * tau * (1 - discount)` is below 3 or so they
    come out too small in size, and `Evaluation.settled` says so.

    Args:
        policies: each a `Policy`; or a function from observations, (n, observation), to
            actions, (n, action), or, where they are discrete, to the probabilities of
            all of them, (n, actions), as those in `offline_tutor.ope.probabilities`.
        dataset: the record; not the rows that trained the policies, if you can spare
            others.
        config: `FQE.Config`; the discount is that of the estimates.
        num_steps, batch_size, seeds, normalize: as in `offline_tutor.train`.

    Raises:
        ValueError: where a policy gives something else for the record's observations,
            or there is none.
        KeyboardInterrupt: where Ctrl-C ended the training.
    """
    if not policies:
        raise ValueError("policies is empty; give one or more to judge")
    rows, first = dataset.transitions, initial_observations(dataset)
    after = [asked(policy, dataset, rows.next_observations) for policy in policies]
    at_start = [asked(policy, dataset, first) for policy in policies]
    return fit(
        np.stack(after, 1),
        np.stack(at_start),
        dataset,
        config or Config(),
        num_steps=num_steps,
        batch_size=batch_size,
        seeds=seeds,
        normalize=normalize,
    )


def fit(
    next_actions: np.ndarray,
    first_actions: np.ndarray,
    dataset: Dataset,
    config: Config,
    *,
    num_steps: int,
    seeds: int,
    **options: Any,
) -> list[Evaluation]:
    """The same, of policies known by what they do in the record.

    `next_actions`: (rows, policies, actions) or (rows, policies, action).
    `first_actions`: (policies, episodes, actions) or (policies, episodes, action).
    """
    discrete = isinstance(dataset.spec.actions, Discrete)
    first, number = initial_observations(dataset), len(first_actions)
    rows = dataset.transitions._replace(next_actions=next_actions)
    found: list[np.ndarray] = []

    def record(run: Run) -> None:
        each = np.repeat(first_actions, len(run.seeds), axis=0)
        measured = run.policy.map(
            lambda fitted, acts: _values(fitted, first, acts), each
        )
        found.append(np.asarray(measured).reshape(number, len(run.seeds), -1))

    run = train(
        FQE if discrete else FQE_CONTINUOUS,
        replace(dataset, transitions=rows),
        config=[replace(config, policy=i) for i in range(number)],
        num_steps=num_steps,
        seeds=seeds,
        every=max(1, num_steps // 2),
        callbacks=[record],
        progress=False,
        **options,
    )
    if not run.finished:
        raise KeyboardInterrupt
    before = found[0] if len(found) > 1 else np.full_like(found[0], np.nan)
    bounds = possible_values(dataset, config.discount)
    return [
        Evaluation(*pair, bounds, run) for pair in zip(found[-1], before, strict=True)
    ]


def initial_observations(dataset: Dataset) -> np.ndarray:
    """Where episodes began: (episodes, observation)."""
    starts = dataset.episode_ends() - dataset.episode_lengths()
    return np.asarray(dataset.transitions.observations)[starts]


def possible_values(dataset: Dataset, discount: float) -> tuple[float, float]:
    """The least and the largest value, if the record's rewards are all that there are.

    A reward that is earned once at least, and at most for ever. With a discount of 1
    and rewards above 0 there is no largest one.
    """
    rewards = np.asarray(dataset.transitions.rewards, np.float64)
    forever = 1 / (1 - discount) if discount < 1 else np.inf
    ends = [
        reward * times
        for reward in (rewards.min(), rewards.max())
        for times in (1.0, forever)
        if reward or np.isfinite(times)
    ]
    return float(min(ends)), float(max(ends))


def _values(fitted: Policy, observations: np.ndarray, actions: np.ndarray) -> Any:
    """The fitted value of a policy's actions: (n,)."""
    seen, network = fitted.normalization.observe(observations), fitted.state.network
    if isinstance(fitted.spec.actions, Discrete):
        return (actions * values(network, seen, fitted.config)).sum(-1)
    given = fitted.normalization.from_environment(actions)
    return q_values(network, seen, given, fitted.config)


def asked(policy: Acts, dataset: Dataset, observations: Array) -> np.ndarray:
    """What the policy does: probabilities, (n, actions), or actions, (n, action).

    Raises ValueError where it was trained for other actions, or gives something else.
    """
    if isinstance(policy, Policy) and policy.spec.actions != dataset.spec.actions:
        raise ValueError(
            f"policy was trained on {policy.spec.actions}; {dataset.name} has "
            f"{dataset.spec.actions}: judge it by a record of its own task"
        )
    given = np.asarray(policy(np.asarray(observations)))
    actions = dataset.spec.actions
    if not isinstance(actions, Discrete):
        wanted = (len(observations), dataset.spec.action_dim)
    elif given.shape == (len(observations),) and given.dtype.kind in "iu":
        return np.eye(actions.num, dtype=np.float32)[given]
    else:
        wanted = (len(observations), actions.num)
    if given.shape != wanted or not np.isfinite(given).all():
        raise ValueError(
            f"policy gives an array {given.shape} for {len(observations)} "
            f"observations; it must give finite numbers, {wanted}"
        )
    if isinstance(actions, Discrete):
        check_probabilities(given, "policy")
    return given.astype(np.float32)
