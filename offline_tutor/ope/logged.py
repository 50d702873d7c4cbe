"""Recorded episodes side by side, as seen by a policy that did not record them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from offline_tutor.data import Dataset, DatasetError
from offline_tutor.types import Discrete

# From observations (n, observation) to the probabilities of all actions, (n, actions).
Probabilities = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class Logged:
    """Episodes, padded behind their ends with rewards of 0 and ratios of 1.

    Attributes:
        ratios: (episodes, steps) float64, the policy's probability of the recorded
            action over the probability with which it was recorded.
        rewards: (episodes, steps) float64.
        alive: (episodes, steps) bool, True up to an episode's last step.
        rows: (episodes, steps) int, the number of each step's row in the dataset.
    """

    ratios: np.ndarray
    rewards: np.ndarray
    alive: np.ndarray
    rows: np.ndarray

    def padded(self, column: np.ndarray, filling: float = 0.0) -> np.ndarray:
        """A column of the dataset, (rows,), in the form of the episodes."""
        return np.where(self.alive, np.asarray(column)[self.rows], filling)


def logged(
    dataset: Dataset, policy: Probabilities, behaviour: np.ndarray | Probabilities
) -> Logged:
    """Recorded episodes, and how likely a policy is to repeat them; discrete actions.

    Args:
        dataset: the record.
        policy: from observations, (n, observation), to the probabilities of all
            actions, (n, actions).
        behaviour: the probability with which each action was recorded, (rows,), if the
            record has it; else a function like `policy`, such as a clone's
            (`cloned_behaviour`).

    Raises:
        DatasetError: where actions are continuous. A deterministic policy gives the
            recorded action a density of 0, so that all weights are 0; evaluate it by
            FQE, or judge a stochastic one by ratios of densities with the functions of
            `offline_tutor.ope.importance`.
        ValueError: where a probability is not one, or a recorded action has none.
    """
    if not isinstance(dataset.spec.actions, Discrete):
        raise DatasetError(
            f"{dataset.name}: actions are continuous, and importance sampling needs "
            "probabilities of discrete ones: a deterministic policy gives the recorded "
            "actions a density of 0. Use FQE; or give the ratios of two densities to "
            "the functions of offline_tutor.ope.importance."
        )
    actions = np.asarray(dataset.transitions.actions)
    chosen = _of_actions(_all_actions(dataset, policy, "policy"), actions)
    if callable(behaviour):
        recorded = _of_actions(_all_actions(dataset, behaviour, "behaviour"), actions)
    else:
        recorded = np.asarray(behaviour, np.float64)
    _check_propensities(dataset, recorded)
    rows, alive = _side_by_side(dataset)
    ratios = (chosen / recorded)[rows]
    rewards = np.asarray(dataset.transitions.rewards, np.float64)[rows]
    return Logged(
        ratios=np.where(alive, ratios, 1.0),
        rewards=np.where(alive, rewards, 0.0),
        alive=alive,
        rows=rows,
    )


def _side_by_side(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers, (episodes, steps), and which of them lie within their episode."""
    lengths = dataset.episode_lengths()
    starts = dataset.episode_ends() - lengths
    steps = np.arange(lengths.max())
    alive = steps < lengths[:, None]
    return np.where(alive, starts[:, None] + steps, starts[:, None]), alive


def _of_actions(probabilities: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Of each row's probabilities, (rows, actions), that of its action: (rows,)."""
    return probabilities[np.arange(len(actions)), actions]


def _all_actions(dataset: Dataset, function: Probabilities, name: str) -> np.ndarray:
    """Probabilities of all actions in all rows, (rows, actions), checked."""
    observations = np.asarray(dataset.transitions.observations)
    found = np.asarray(function(observations), np.float64)
    wanted = (len(dataset), dataset.spec.num_actions)
    if found.shape != wanted:
        raise ValueError(
            f"{name} gives an array {found.shape} for {wanted[0]} observations; it "
            f"must give the probabilities of all {wanted[1]} actions, {wanted}"
        )
    check_probabilities(found, name)
    return found


def check_probabilities(found: np.ndarray, name: str) -> None:
    """A ValueError unless each row, (actions,), is 0 or more and sums to 1."""
    wrong = ~((found >= 0).all(1) & (np.abs(found.sum(1) - 1) < 1e-4))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name}, row {row}: {found[row].tolist()} are no probabilities; they must "
            "be 0 or more and sum to 1"
        )


def _check_propensities(dataset: Dataset, recorded: np.ndarray) -> None:
    """A ValueError unless each recorded action had a probability above 0, at most 1."""
    if recorded.shape != (len(dataset),):
        raise ValueError(
            f"behaviour is {recorded.shape}; it must be the probability with which "
            f"each recorded action was chosen, ({len(dataset)},)"
        )
    wrong = ~((recorded > 0) & (recorded <= 1 + 1e-6))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"behaviour, row {row}: an action was recorded with probability "
            f"{recorded[row]}; it must lie above 0 and be at most 1. Where the record "
            "has no probabilities, give a clone's: cloned_behaviour(dataset)"
        )
