"""A training run, finished or under way: which policies, and what was recorded."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offline_tutor.policies import Policy


class Diverged(FloatingPointError):
    """Parameters became infinite or NaN with every seed."""


@dataclass(eq=False, repr=False)
class Run:
    """What `train` returns and callbacks are given.

    A row is one seed of one configuration: configurations in order, and under each its seeds.
    `policy.rows` says which is which, and `select` takes one configuration out.
    """

    policy: Policy  # of every row, stacked
    num_steps: int  # how many steps it has in the end
    steps: np.ndarray  # (records,): after how many steps each record below was taken
    metrics: dict[str, np.ndarray]  # (records, rows) each: means over the steps since the last one
    evaluations: np.ndarray  # (records, rows, episodes); (0, rows, 0) without `evaluate`
    diverged: np.ndarray  # (rows,) int: the step that made parameters NaN or infinite; 0 if none
    seconds: float = 0.0  # spent so far, compilation included

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of each configuration."""
        return self.policy.seeds or ()

    @property
    def configs(self) -> tuple[Any, ...]:
        """The configurations, in the order of rows."""
        return self.policy.configs

    @property
    def finished(self) -> bool:
        """Whether all its steps were taken: not so where Ctrl-C stopped it."""
        return len(self.steps) > 0 and int(self.steps[-1]) >= self.num_steps

    def select(self, index: int) -> "Run":
        """The run of one configuration, as if it had been trained alone."""
        count = len(self.seeds)
        rows = slice(index * count, (index + 1) * count)
        return replace(
            self,
            policy=self.policy.select(index),
            metrics={name: means[:, rows] for name, means in self.metrics.items()},
            evaluations=self.evaluations[:, rows],
            diverged=self.diverged[rows],
        )

    def __repr__(self) -> str:
        """One line, not the arrays."""
        done = int(self.steps[-1]) if len(self.steps) else 0
        return f"<Run of {self.policy!r}: {done} of {self.num_steps} steps, {self.seconds:.0f} s>"


def new_run(policy: Policy, num_steps: int, names: Iterable[str]) -> Run:
    """A run in which nothing has happened yet, and that will record metrics of these names."""
    rows, none = len(policy.rows), np.zeros(0, int)
    metrics = {name: np.zeros((0, rows)) for name in names}
    return Run(policy, num_steps, none, metrics, np.zeros((0, rows, 0)), np.zeros(rows, int))


def name_rows(policy: Policy, rows: Iterable[int], steps: np.ndarray) -> str:
    """Which rows diverged and when, in words: "seed 3 at step 120"."""
    texts = []
    for row in rows:
        seed = policy.rows[row][1]
        owner = (
            f" of configuration {row // len(policy.seeds or (0,))}"
            if len(policy.configs) > 1
            else ""
        )
        texts.append(f"seed {seed}{owner} at step {steps[row]}")
    return ", ".join(texts)
