"""What a policy is worth from where recorded episodes began: fitted Q evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offline_tutor.data import Dataset
from offline_tutor.networks import mlp
from offline_tutor.ope.fqe import FQE, FQE_CONTINUOUS, Config, q_values
from offline_tutor.policies import Policy
from offline_tutor.training import Run, train
from offline_tutor.types import Discrete


@dataclass(frozen=True)
class Evaluation:
    """What fitted Q evaluation found.

    Attributes:
        values: (seeds, episodes), the policy's value at the start of every recorded
            episode. Their mean over *initial* states is the estimate; a mean over all
            recorded states would say what the policy is worth from where others led.
        before: the same after half of the steps; NaN if there was only one.
        run: the training run, with its metrics.
    """

    values: np.ndarray
    before: np.ndarray
    run: Run

    @property
    def estimate(self) -> float:
        """The mean over seeds and starts."""
        return float(self.values.mean())

    @property
    def settled(self) -> bool:
        """Whether the second half of training moved no seed's estimate by over a tenth.

        A tenth of what it was before, or of its spread over the starts if that is more.
        """
        before = self.before.mean(1)
        moved = np.abs(self.values.mean(1) - before)
        scale = np.maximum(np.abs(before), self.before.std(1))
        return bool((moved <= 0.1 * scale).all())


def fitted_q_evaluation(
    policy: Callable[[np.ndarray], Any],
    dataset: Dataset,
    *,
    config: Config | None = None,
    num_steps: int = 6000,
    batch_size: int = 256,
    seeds: int = 3,
    normalize: bool = True,
) -> Evaluation:
    """Fits the value of a policy to a record that others made (Le et al. 2019).

    A termination ends the sum of rewards and a time limit does not: the estimate is
    of the discounted return without a limit of time.

    Args:
        policy: a `Policy`; or a function from observations, (n, observation), to
            actions, (n, action), or, where they are discrete, to the probabilities of
            all of them, (n, actions), as those in `offline_tutor.ope.probabilities`.
        dataset: the record; not the rows that trained the policy, if you can spare
            others.
        config: `FQE.Config`; the discount is that of the estimate.
        num_steps, batch_size, seeds, normalize: as in `offline_tutor.train`.

    Raises:
        ValueError: where the policy gives something else for the record's observations.
        KeyboardInterrupt: where Ctrl-C ended the training.
    """
    discrete = isinstance(dataset.spec.actions, Discrete)
    rows = dataset.transitions
    starts = dataset.episode_ends() - dataset.episode_lengths()
    first = np.asarray(rows.observations)[starts]
    after = _asked(policy, dataset, np.asarray(rows.next_observations))
    at_start = _asked(policy, dataset, first)
    found = []

    def measure(stack: Policy) -> np.ndarray:
        return np.asarray(stack.map(lambda one: _values(one, first, at_start)))

    def record(run: Run) -> None:
        found.append(measure(run.policy))

    run = train(
        FQE if discrete else FQE_CONTINUOUS,
        replace(dataset, transitions=rows._replace(next_actions=after)),
        config=Config() if config is None else config,
        num_steps=num_steps,
        batch_size=batch_size,
        seeds=seeds,
        every=max(1, num_steps // 2),
        normalize=normalize,
        callbacks=[record],
        progress=False,
    )
    if not run.finished:
        raise KeyboardInterrupt
    before = found[0] if len(found) > 1 else np.full_like(found[0], np.nan)
    return Evaluation(found[-1], before, run)


def _values(fitted: Policy, observations: np.ndarray, actions: np.ndarray) -> Any:
    """The fitted value of a policy's actions: (n,)."""
    seen, network = fitted.normalization.observe(observations), fitted.state.network
    if isinstance(fitted.spec.actions, Discrete):
        return (actions * mlp(network, seen)).sum(-1)
    return q_values(network, seen, fitted.normalization.from_environment(actions))


def _asked(
    policy: Callable[[np.ndarray], Any], dataset: Dataset, observations: np.ndarray
) -> np.ndarray:
    """What the policy does: probabilities, (n, actions), or actions, (n, action)."""
    given = np.asarray(policy(observations))
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
    return given.astype(np.float32)
