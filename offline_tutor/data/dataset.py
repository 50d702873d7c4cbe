"""A fixed dataset in memory: recorded transitions, and where its episodes end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from offline_tutor.data.memory import take_rows
from offline_tutor.types import Spec, Transitions


class DatasetError(ValueError):
    """A dataset cannot be found, read or trusted; the message says what to do about it."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A checked dataset: NumPy arrays in the dataset's own units, one episode after another.

    `subset` and `split` choose whole episodes; rows cut out by hand would leave episodes without an
    end, which is refused with a DatasetError.

    Attributes:
        name: where it comes from.
        transitions: all rows.
        truncations: (n,) bool, True where an episode was cut off (time limit, end of recording).
        spec: sizes and bounds.
        environment: the Gymnasium id of the environment in which it was recorded, if known; the
            environment's arguments are not kept.
    """

    name: str
    transitions: Transitions
    truncations: np.ndarray
    spec: Spec
    environment: str | None = None

    def __post_init__(self) -> None:
        """Check that the columns fit together, as after `dataclasses.replace`."""
        columns = {**self.transitions._asdict(), "truncations": self.truncations}
        lengths = {key: len(column) for key, column in columns.items() if column is not None}
        if len(set(lengths.values())) > 1:
            raise DatasetError(
                f"{self.name}: the columns of a dataset are equally long, and these have "
                f"{lengths}. Choose episodes with subset or split, or make a new dataset with "
                "from_arrays."
            )
        if not lengths["rewards"]:
            raise DatasetError(f"{self.name}: the dataset is empty. It needs a transition.")
        if not (self.transitions.terminations[-1] or self.truncations[-1]):
            raise DatasetError(
                f"{self.name}: the last row, {len(self) - 1}, ends no episode. Choose whole "
                "episodes with subset or split, or set truncations[-1] where the recording was cut."
            )

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.transitions.rewards)

    def __repr__(self) -> str:
        """Return one line, without the arrays."""
        return f"<Dataset {self.name}: {len(self)} rows, {self.num_episodes} episodes, {self.spec}>"

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.episode_ends())

    def episode_slices(self) -> list[slice]:
        """Return the rows of each episode."""
        ends = self.episode_ends().tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def episode_lengths(self) -> np.ndarray:
        """Return the number of transitions of each episode, (episodes,) int."""
        return np.diff(self.episode_ends(), prepend=0)

    def episode_returns(self) -> np.ndarray:
        """Return the sum of rewards of each episode, (episodes,) float64."""
        starts = self.episode_ends() - self.episode_lengths()
        return np.add.reduceat(self.transitions.rewards, starts, dtype=np.float64)

    def episode_ends(self) -> np.ndarray:
        """Return the index of the row after the last one of each episode, (episodes,) int."""
        return np.flatnonzero(self.transitions.terminations | self.truncations) + 1

    def with_next_actions(self) -> Dataset:
        """Return the rows whose next action is known, with an extra column `next_actions`.

        The next action is the action of the following row. A row that terminates an episode needs
        none, since no value follows it, and holds its own action as a placeholder. A row that cuts
        off an episode has no next action and is left out.

        Raises:
            DatasetError: if no row is left.
        """
        rows = self.transitions
        if rows.next_actions is not None:
            return self
        terminations, cut = np.asarray(rows.terminations), np.asarray(self.truncations)
        if cut.all():
            raise DatasetError(
                f"{self.name}: no next action is known, since every row cuts an episode."
            )
        actions = np.asarray(rows.actions)
        following = np.roll(actions, -1, axis=0)
        following[terminations] = actions[terminations]
        known = Transitions(
            *(np.asarray(column)[~cut] for column in rows[:5] if column is not None)
        )
        before_cut = np.roll(cut, -1) & ~terminations  # the row that now ends its episode
        return replace(
            self,
            transitions=known._replace(next_actions=following[~cut]),
            truncations=before_cut[~cut],
        )

    def subset(self, episodes: Any) -> Dataset:
        """Return a dataset of whole episodes, in the order given.

        Args:
            episodes: their numbers, counted from 0 (negative: from the end), or (episodes,) bool,
                such as `dataset.episode_returns() > 100`.

        Raises:
            DatasetError: if there are none, or one is not an episode of this dataset.
        """
        count = self.num_episodes
        numbers = np.asarray(episodes)
        if numbers.dtype == bool and numbers.shape == (count,):
            numbers = np.flatnonzero(numbers)
        if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu":
            raise DatasetError(
                f"{self.name}: episodes is {episodes!r}; give one or more numbers from 0 to "
                f"{count - 1}, or {count} of True and False, one of them True."
            )
        unknown = numbers[(numbers < -count) | (numbers >= count)]
        if len(unknown):
            raise DatasetError(
                f"{self.name}: there is no episode {unknown[0]}; there are {count}, counted from 0."
            )
        slices = self.episode_slices()
        rows = np.concatenate([np.arange(slices[i].start, slices[i].stop) for i in numbers])
        columns = self.transitions._asdict().items()
        chosen = {key: take_rows(np.asarray(x), rows) for key, x in columns if x is not None}
        truncations = np.asarray(self.truncations)[rows]
        return replace(self, transitions=Transitions(**chosen), truncations=truncations)

    def split(self, fraction: float, key: int = 0) -> tuple[Dataset, Dataset]:
        """Split into two datasets of whole episodes, drawn at random.

        Args:
            fraction: the share of the episodes that the first one gets, rounded; each gets at least
                one.
            key: a whole number; the same one draws the same episodes.

        Raises:
            DatasetError: if there is only one episode, fraction is not between 0 and 1, or key is
                not a whole number from 0 on.
        """
        count = self.num_episodes
        if not isinstance(fraction, Real) or not 0 < fraction < 1:
            raise DatasetError(
                f"{self.name}: fraction is {fraction!r}; give a number between 0 and 1."
            )
        if not isinstance(key, Integral) or key < 0:
            raise DatasetError(f"{self.name}: key is {key!r}; give a whole number, 0 or more.")
        if count < 2:
            raise DatasetError(f"{self.name}: there is one episode only, which cannot be split.")
        order = np.random.default_rng(int(key)).permutation(count)
        first = min(max(round(fraction * count), 1), count - 1)
        return self.subset(np.sort(order[:first])), self.subset(np.sort(order[first:]))
