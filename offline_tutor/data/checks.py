"""Check that values can be learnt from; the message names the first row that cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from offline_tutor.data.columns import shorten
from offline_tutor.data.dataset import DatasetError
from offline_tutor.spaces import continuous
from offline_tutor.types import Continuous, Discrete

LONG = 20  # numbers in a row that a message does not show in full


@dataclass(frozen=True)
class Places:
    """Where a row is, in the count of whoever gave the data.

    Attributes:
        name: of the dataset.
        stops: (episodes,) int, the index of the row after the last of each episode.
        episodes: the numbers of the episodes; None if they are counted from 0.
        advice: given the number of a bad episode, a sentence on what can be done without it.
    """

    name: str
    stops: np.ndarray
    episodes: Sequence[int] | None = None
    advice: Callable[[int], str] | None = None

    def episode(self, row: int) -> int:
        """Return the number of the episode that a row belongs to."""
        index = int(np.searchsorted(self.stops, row, side="right"))
        return index if self.episodes is None else int(self.episodes[index])


def check_bounds(name: str, bounds: Any, action_dim: int) -> Continuous:
    """Return the space between a smallest and a largest action, each a number or (action,)."""
    if hasattr(bounds, "low") and hasattr(bounds, "high"):
        raise DatasetError(
            f"{name}: the bounds of the actions are {bounds}; give its two ends, "
            "action_bounds=(space.low, space.high)."
        )
    try:
        if isinstance(bounds, str | Mapping):
            raise TypeError("not two bounds")
        low, high = (np.broadcast_to(np.float64(bound), (action_dim,)) for bound in bounds)
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f"{name}: the bounds of the actions are {shorten(bounds)}; they must be a smallest and "
            f"a largest action, numbers or arrays of {action_dim}."
        ) from error
    if not (np.isfinite(low) & np.isfinite(high) & (low <= high)).all():
        raise DatasetError(
            f"{name}: the bounds of the actions are {low} and {high}; they must be finite, and the "
            "first not larger than the second: give action_bounds=(smallest, largest), not a pair "
            "for each number. Policies are built to stay within them."
        )
    space = continuous(low, high)
    _check_width(name, space)
    return space


def _check_width(name: str, space: Continuous) -> None:
    """Raise DatasetError where float32 cannot hold the middle and half the width of a range."""
    low, high = np.array(space.low, np.float32), np.array(space.high, np.float32)
    with np.errstate(over="ignore", under="ignore"):
        middle, half = (high + low) / 2, (high - low) / 2
    wide = ~np.isfinite(middle) | ~np.isfinite(half)
    bad = wide | ((half > 0) & (half < np.finfo(np.float32).tiny))
    if bad.any():
        column = int(np.argmax(bad))
        raise DatasetError(
            f"{name}: the bounds of action {column} are {low[column]} and {high[column]}, a range "
            f"too {'wide' if wide[column] else 'narrow'} for float32. Policies scale actions by "
            "half of it: give bounds near what the actions reach, action_bounds=(smallest, "
            "largest)."
        )


def check_values(
    places: Places,
    columns: Mapping[str, Any],
    space: Continuous | Discrete,
    *,
    unused: np.ndarray | None = None,
) -> None:
    """Check that numbers are finite and actions lie in their space.

    Args:
        places: how to name a row.
        columns: by name, `next_observations` or not.
        space: that of the actions.
        unused: (n,) bool, rows of which only the observation counts; None if there are none.

    Raises:
        DatasetError: with the first bad row, its episode, its value, and what to do.
    """
    fault = _Fault(places, unused)
    for key in ("observations", "actions", "rewards", "next_observations"):
        array = np.asarray(columns.get(key, np.zeros((0,), np.int8)))
        if array.dtype.kind == "f":
            end = "Leave out or repair it; float32 ends at 3.4e38"
            fault.where(~np.isfinite(array), key, array, "is not a finite number", end)
    actions = np.asarray(columns["actions"])
    if isinstance(space, Continuous):
        low, high = np.array(space.low, np.float32), np.array(space.high, np.float32)
        slack = 1e-5 * (high - low) + np.spacing(np.maximum(-low, high))  # of rounding
        inside = (actions >= low - slack) & (actions <= high + slack)
        problem = f"is outside the space from {list(space.low)} to {list(space.high)}"
        fault.where(~inside, "actions", actions, problem, "Clip it, or give the true action_bounds")
    else:
        inside = (actions >= 0) & (actions < space.num) & (actions == np.floor(actions))
        problem = f"is outside the {space.num} discrete actions 0 to {space.num - 1}"
        end = "Count actions from 0, and give the true num_actions"
        fault.where(~inside, "actions", actions, problem, end)


@dataclass(frozen=True)
class _Fault:
    """Raises a DatasetError for the first bad row, if there is one."""

    places: Places
    unused: np.ndarray | None

    def where(self, bad: np.ndarray, key: str, array: np.ndarray, problem: str, end: str) -> None:
        """`bad` has the shape of `array`; the rest are parts of the message."""
        if not bad.any():
            return
        bad = bad.reshape(len(bad), -1)
        rows = np.asarray(bad.any(axis=1))
        if self.unused is not None and key in ("actions", "rewards"):
            rows &= ~self.unused
        if not rows.any():
            return
        row = int(np.argmax(rows))
        value = array[row].tolist()
        if array[row].size > LONG:
            column = int(np.argmax(bad[row]))
            value = f"number {column} of it, {array[row].ravel()[column]},"
        episode = self.places.episode(row)
        without = f" {self.places.advice(episode)}" if self.places.advice else ""
        raise DatasetError(
            f"{self.places.name}: {key}, row {row} (episode {episode}): {value} {problem}; "
            f"{rows.sum()} of {len(rows)} rows are like that. {end}.{without}"
        )
