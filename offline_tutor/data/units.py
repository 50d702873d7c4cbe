"""Units for algorithms: actions in [-1, 1], observations standardised on request."""

from typing import NamedTuple

import numpy as np

from offline_tutor.data.dataset import Dataset
from offline_tutor.data.doubts import doubt_spread, warn
from offline_tutor.types import Array, Discrete, Spec, Transitions

ADDED = 1e-3  # to deviations, so that constant coordinates can be divided by them


class Normalization(NamedTuple):
    """An algorithm's units: actions in [-1, 1], observations unchanged or standardised.

    A pytree of small arrays, so that it can be stored with the policy it belongs to.

    Attributes:
        observation_mean: (observation,) float32.
        observation_std: (observation,) float32, never zero.
        action_centre: (action,) float32, middle of the action space; None if discrete.
        action_half_range: (action,) float32, half its width; None if discrete.
    """

    observation_mean: Array
    observation_std: Array
    action_centre: Array | None
    action_half_range: Array | None

    def observe(self, observations: Array) -> Array:
        """Convert observations (..., observation) from environment units to algorithm units."""
        return (observations - self.observation_mean) / self.observation_std

    def to_environment(self, actions: Array) -> Array:
        """Convert actions (..., action) from algorithm units to environment units."""
        if self.action_centre is None or self.action_half_range is None:
            return actions
        return self.action_centre + self.action_half_range * actions

    def from_environment(self, actions: Array) -> Array:
        """Convert actions (..., action) from environment units to algorithm units."""
        if self.action_centre is None or self.action_half_range is None:
            return actions
        half = self.action_half_range
        return (actions - self.action_centre) / (half + (half == 0))  # 0 where nothing may vary

    def prepare(self, transitions: Transitions) -> Transitions:
        """Convert recorded transitions to algorithm units."""
        next_actions = transitions.next_actions
        return transitions._replace(
            observations=self.observe(transitions.observations),
            actions=self.from_environment(transitions.actions),
            next_observations=self.observe(transitions.next_observations),
            next_actions=None if next_actions is None else self.from_environment(next_actions),
        )


def normalization(dataset: Dataset, *, observations: bool) -> Normalization:
    """Measure the units of a dataset.

    Args:
        dataset: the data, in its own units.
        observations: whether to standardise each coordinate of the observations by its mean and
            its standard deviation plus 1e-3 (TD3+BC, equation 4 and the authors' code). Coordinates
            that vary by less are seen small, and constant ones as 0: a warning names them.
    """
    units = units_of(dataset.spec)
    if not observations:
        return units
    rows = np.asarray(dataset.transitions.observations)
    mean, std = rows.mean(axis=0, dtype=np.float64), _deviations(rows)
    warn(dataset.name, doubt_spread(std, ADDED))
    std = std + ADDED
    return units._replace(
        observation_mean=mean.astype(np.float32), observation_std=std.astype(np.float32)
    )


def _deviations(rows: np.ndarray) -> np.ndarray:
    """Standard deviation (observation,) of each coordinate, float64.

    Of pictures some coordinates at a time: NumPy takes eight times the memory of their bytes.
    """
    if rows.ndim == 2:
        return rows.std(axis=0, dtype=np.float64)
    flat = rows.reshape(len(rows), -1)
    width = max(1, 2**22 // len(rows))
    parts = [
        flat[:, start : start + width].std(axis=0, dtype=np.float64)
        for start in range(0, flat.shape[1], width)
    ]
    return np.concatenate(parts).reshape(rows.shape[1:])


def units_of(spec: Spec) -> Normalization:
    """Return units that keep observations unchanged and scale continuous actions to [-1, 1]."""
    zeros = np.zeros(spec.observation_shape, np.float32)
    if isinstance(spec.actions, Discrete):
        return Normalization(zeros, zeros + 1, None, None)
    low, high = (np.array(x, np.float32) for x in (spec.actions.low, spec.actions.high))
    return Normalization(zeros, zeros + 1, (high + low) / 2, (high - low) / 2)
