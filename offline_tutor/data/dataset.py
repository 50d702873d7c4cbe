"""A fixed dataset in memory: recorded transitions, and where its episodes end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from offline_tutor.types import Spec, Transitions


class DatasetError(ValueError):
    """A dataset cannot be found, read or trusted; the message says what to do about it."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A checked dataset: NumPy arrays in the dataset's own units, one episode after another.

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
