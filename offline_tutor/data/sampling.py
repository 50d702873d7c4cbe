"""Draw the rows of a minibatch from a dataset."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from offline_tutor.types import Array

# (key, rows in the dataset, rows in the minibatch) -> row indices (batch,)
DrawRows = Callable[[Array, int, int], Array]


def uniform(key: Array, num_rows: int, batch_size: int) -> Array:
    """Draw row indices (batch,) uniformly, with replacement."""
    return jax.random.randint(key, (batch_size,), 0, num_rows)


@dataclass(frozen=True)
class Mixed:
    """Minibatches of two sources: a fixed share of the rows before `boundary`, the rest after it.

    Ball et al. 2023 (RLPD) take one half of each. Raises ValueError where `share` is not between
    0 and 1, or, when it is used, where one source or its part of the minibatch is empty.
    """

    boundary: int
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}; it must lie between 0 and 1")

    def __call__(self, key: Array, num_rows: int, batch_size: int) -> Array:
        """Indices of a minibatch, (batch,): first those of rows before the boundary."""
        count = round(self.share * batch_size)
        if not 0 < self.boundary < num_rows:
            raise ValueError(f"boundary is {self.boundary}; there are {num_rows} rows")
        if not 0 < count < batch_size:
            raise ValueError(f"share is {self.share}, which of {batch_size} rows is {count}")
        before_key, after_key = jax.random.split(key)
        before = jax.random.randint(before_key, (count,), 0, self.boundary)
        after = jax.random.randint(after_key, (batch_size - count,), self.boundary, num_rows)
        return jnp.concatenate([before, after])
