"""The units that an algorithm sees: actions in [-1, 1], observations standardised or as they are."""

from typing import NamedTuple

import numpy as np

from offline_tutor.data.dataset import Dataset
from offline_tutor.types import Array, Continuous, Spec, Transitions


class Normalization(NamedTuple):
    """The units an algorithm sees: actions in [-1, 1], observations as they are or standardised.

    A pytree of small arrays, so that it travels with the policy it belongs to.

    Attributes:
        observation_mean: (observation,) float32.
        observation_std: (observation,) float32, never zero.
        action_centre: (action,) float32, middle of the action space; None where discrete.
        action_half_range: (action,) float32, half its width; None where discrete.
    """

    observation_mean: Array
    observation_std: Array
    action_centre: Array | None
    action_half_range: Array | None

    def observe(self, observations: Array) -> Array:
        """Turn observations (..., observation) of the environment into those of the algorithm."""
        return (observations - self.observation_mean) / self.observation_std

    def to_environment(self, actions: Array) -> Array:
        """Turn actions (..., action) of the algorithm into those of the environment."""
        if self.action_centre is None or self.action_half_range is None:
            return actions
        return self.action_centre + self.action_half_range * actions

    def prepare(self, transitions: Transitions) -> Transitions:
        """Turn recorded transitions into the units of the algorithm."""
        actions = transitions.actions
        if self.action_centre is not None and self.action_half_range is not None:
            actions = (actions - self.action_centre) / self.action_half_range
        return transitions._replace(
            observations=self.observe(transitions.observations),
            actions=actions,
            next_observations=self.observe(transitions.next_observations),
        )


def normalization(dataset: Dataset, *, observations: bool) -> Normalization:
    """Measure the units of a dataset.

    Args:
        dataset: the data, in its own units.
        observations: whether to standardise observations, by the mean and the standard deviation
            plus 1e-3 of each coordinate (TD3+BC, equation 4 and the authors' code).
    """
    spec, rows = dataset.spec, np.asarray(dataset.transitions.observations)
    mean, std = np.zeros(spec.observation_dim), np.ones(spec.observation_dim)
    if observations:
        mean, std = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64) + 1e-3
    centre = half_range = None
    if spec.action_low is not None and spec.action_high is not None:
        centre = (spec.action_high + spec.action_low) / 2
        half_range = (spec.action_high - spec.action_low) / 2
    return Normalization(mean.astype(np.float32), std.astype(np.float32), centre, half_range)
