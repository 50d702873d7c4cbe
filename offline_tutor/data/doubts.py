"""Data that may be right but look wrong: each doubt is a sentence for a warning.

A doubt must be cheap, a pass over the rows, and stay silent on good data of every kind; what cannot
be right is an error, in `checks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from offline_tutor import messages
from offline_tutor.types import Continuous

FEW = 1000  # numbers that float32 must at least know in the range of a column
NOISE = 1e-12  # a column that varies by less, relative to its size, is constant but for rounding
USUAL = 0.9  # of the steps are usual ones
FAR = 10  # times further than these is a jump
SAMPLE = 10_000  # rows are enough to tell what is usual
AT_ONCE = 2**20  # numbers compared, so that pictures need little memory


def warn(name: str, doubts: Sequence[str]) -> None:
    """Warn of doubts about a dataset."""
    for doubt in doubts:
        messages.warn(f"{name}: {doubt}")


class Digits:
    """What float32 keeps of a column, found on a sample of the rows while they are converted."""

    def __init__(self, key: str):
        self.key = key
        self.sources: list[np.ndarray] = []
        self.kept: list[np.ndarray] = []
        self.rows = 0

    def add(self, source: np.ndarray, kept: np.ndarray) -> None:
        """Note numbers (n, ...) and what was made of them, of at most `SAMPLE` rows."""
        if self.rows >= SAMPLE or source.ndim > 2 or np.can_cast(source.dtype, np.float32):
            return
        every = -(-len(source) // SAMPLE) or 1
        self.sources.append(np.array(source[::every], np.float64))
        self.kept.append(np.array(kept[::every], np.float64))
        self.rows += len(self.kept[-1])

    def doubts(self, column: np.ndarray) -> list[str]:
        """Say where the whole column (n, ...) has lost what told its values apart."""
        if not self.rows:
            return []
        source, kept = (np.concatenate(x).reshape(self.rows, -1) for x in (self.sources, self.kept))
        flat = column.reshape(len(column), -1)
        with np.errstate(all="ignore"):  # numbers that are not finite are an error later
            low, high = source.min(axis=0), source.max(axis=0)
            size, width = np.maximum(abs(low), abs(high)), np.maximum(high - low, np.ptp(flat, 0))
            step = np.maximum(np.spacing(np.float32(size)), np.finfo(np.float32).tiny)
            lost = (source != kept).any(axis=0) & (width > NOISE * size) & (width < FEW * step)
        return [
            f"{self.key}{f', column {index}' * (column.ndim > 1)}: values such as {low[index]} and "
            f"{high[index]} lie so close, for their size, that float32 tells at most "
            f"{int(width[index] / step[index]) + 1} apart. Subtract the smallest value of this "
            "column before, and scale it, or leave it out."
            for index in np.flatnonzero(lost)
        ]


def doubt_spread(deviations: np.ndarray, added: float) -> list[str]:
    """Doubt that observations may be divided by their deviations, (observation,), plus a number."""
    small = np.flatnonzero(deviations.ravel() < added)
    if not len(small):
        return []
    return [
        f"observations, {_columns(small)}: the standard deviation is below {added:g}, which "
        "normalize adds to it (TD3+BC, the authors' code). Such columns are seen small, and where "
        f"they are constant, any other value is seen {1 / added:g} times as far away. Scale them "
        "up, or leave them out."
    ]


def doubt_bounds(actions: np.ndarray, space: Continuous, *, by_default: bool) -> list[str]:
    """Doubt bounds that have little to do with the actions (n, action) between them."""
    smallest, largest = actions.min(axis=0), actions.max(axis=0)
    width = np.subtract(space.high, space.low)
    doubts = []
    narrow = np.flatnonzero((smallest < largest) & (largest - smallest < 0.01 * width))
    if len(narrow):
        column = narrow[0]
        doubts.append(
            f"actions, {_columns(narrow)}: the data use less than 1 % of the range between the "
            f"bounds: from {smallest[column]:g} to {largest[column]:g}, of {space.low[column]:g} "
            f"to {space.high[column]:g}. A policy may choose from all of it: give "
            "action_bounds=(smallest, largest) as the task has them."
        )
    one_sided = np.flatnonzero((smallest >= 0) & (largest > 0.5)) if by_default else narrow[:0]
    if len(one_sided) and len(actions) >= 20:
        doubts.append(
            f"actions, {_columns(one_sided)}: none is below 0, and action_bounds was not given, so "
            "that a policy may choose from -1 to 1. If the task has no negative actions, give "
            "action_bounds=(0, 1); else action_bounds=(-1, 1)."
        )
    return doubts


def doubt_jumps(observations: np.ndarray, ends: np.ndarray) -> list[str]:
    """Doubt that an episode goes on where observations jump, as between two recordings.

    A heavy-tailed noise jumps too, but half as far still more often. So do the restarts of some
    tasks; these are told by their distances, multiples of the time limit.

    Args:
        observations: (n, observation), vectors.
        ends: (n,) bool, the last rows of episodes.
    """
    if observations.ndim > 2 or ends[:-1].all():
        return []
    far, middling = _jumps(observations, ends)
    rows = np.flatnonzero(far)
    if not len(rows):
        return []
    starts = np.flatnonzero(np.append(True, ends[:-1]))
    since = rows + 1 - starts[np.searchsorted(starts, rows, side="right") - 1]
    regular = int(np.gcd.reduce(since)) if len(rows) > 1 else 0
    if 2 * middling.sum() > len(rows) and regular < 10:
        return []
    limit = f" Episodes last a multiple of {regular} rows until then, as with a time limit."
    return [
        f"after {count_rows(rows)} inside episodes, the first of them row {rows[0]}, observations "
        f"jump {FAR} times further than usual.{limit * (regular >= 10)} If recordings end there, "
        "mark these rows in truncations; otherwise one recording's end is taken to lead to the "
        "start of the next."
    ]


def _jumps(observations: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (n - 1,) bool twice: steps much further than usual, and only further.

    Only columns that move little by little are looked at. One that jumps over its whole range, such
    as an angle from pi to -pi, counts only where all of them jump.
    """
    going = ~ends[:-1]
    sample = np.flatnonzero(going)[:: max(1, len(ends) // SAMPLE)]
    far, middling, every = np.zeros_like(going), np.zeros_like(going), going.copy()
    for column in observations.T:
        usual = np.quantile(abs(column[sample + 1] - column[sample]), USUAL)
        spread = np.quantile(abs(column[sample] - np.median(column[sample])), USUAL)
        if not 0 < usual < spread / 2:
            continue
        steps = abs(np.diff(column))
        jump = steps > FAR * usual
        far |= jump & (steps < 0.9 * np.ptp(column))
        every &= jump
        middling |= steps > FAR / 2 * usual
    far = (far | (every & middling)) & going
    return far, middling & ~far & going


def doubt_following(columns: Mapping[str, np.ndarray], ends: np.ndarray) -> list[str]:
    """Doubt next observations that are not the observations of the rows that follow.

    Nothing is said of small differences, as between two measurements.
    """
    observations, following = columns["observations"], columns["next_observations"]
    going = np.flatnonzero(~ends[:-1])
    apart = going[_differ(following, observations, going, going + 1)]
    if not len(apart):
        return []
    if 2 * len(apart) <= len(going):
        return [
            f"after {count_rows(apart)} inside episodes, the first of them row {apart[0]}, the "
            "episode goes on with another observation than next_observations has. If recordings "
            "end there, mark these rows in truncations; otherwise rows are missing."
        ]
    few = min(1000, max(10, AT_ONCE // observations[0].size))
    some = apart[:: max(1, len(apart) // few)]
    repeated = not _differ(following, observations, some, some).any()
    others = observations[np.roll(some, len(some) // 2 + 1)]
    near = _distance(following[some], observations[some + 1])
    if not repeated and near < 0.1 * _distance(following[some], others):
        return []
    cause = "they repeat the observations of their own rows" if repeated else "rows were shuffled"
    return [
        f"next_observations of {count_rows(apart)}, the first of them row {apart[0]}, have nothing "
        f"to do with the observations of the rows that follow: {cause}, or one of the two is "
        "wrong. For single transitions give truncations=~terminations; else episodes, their "
        "returns and next actions mean nothing."
    ]


def _differ(
    left: np.ndarray, right: np.ndarray, left_rows: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """Return (rows,) bool: where rows of two arrays differ."""
    differ = np.zeros(len(left_rows), bool)
    count = max(1, AT_ONCE // max(1, left[0].size))
    for start in range(0, len(left_rows), count):
        part = slice(start, start + count)
        other = left[left_rows[part]] != right[right_rows[part]]
        differ[part] = other.reshape(len(other), -1).any(axis=1)
    return differ


def _distance(left: np.ndarray, right: np.ndarray) -> float:
    """Return how far rows are apart in the mean, each column in its own spread."""
    left, right = (x.reshape(len(x), -1).astype(np.float32) for x in (left, right))
    spread = right.std(axis=0)
    apart = abs(left - right)[:, spread > 0] / spread[spread > 0]
    return float(apart.mean()) if apart.size else 0.0


def _columns(columns: Sequence[int] | np.ndarray) -> str:
    """Return "column 3" or "columns 1, 2 and 9 others"."""
    named = ", ".join(str(column) for column in columns[:3])
    others = f" and {len(columns) - 3} others" if len(columns) > 3 else ""
    return f"column{'s' * (len(columns) > 1)} {named}{others}"


def count_rows(rows: np.ndarray) -> str:
    """Return "1 row" or "5 rows"."""
    return f"{len(rows)} row{'s' * (len(rows) > 1)}"
