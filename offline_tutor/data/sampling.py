"""Draw the rows of a minibatch from a dataset."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from offline_tutor.types import Array

# (key, rows in the dataset, rows in the minibatch) -> row indices (batch,)
DrawRows = Callable[[Array, int, int], Array]


def uniform(key: Array, num_rows: int, batch_size: int) -> Array:
    """Draw row indices (batch,) uniformly, with replacement."""
    return jax.random.randint(key, (batch_size,), 0, num_rows)


def mixed(boundary: int, share: float) -> DrawRows:
    """Draw a fixed share of each minibatch from the rows before `boundary`, the rest after it.

    Ball et al. 2023 (RLPD) draw one half from each.

    Raises:
        ValueError: if `share` is not between 0 and 1, or, when rows are drawn, if one of the two
            parts is empty.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it must lie between 0 and 1")

    def draw(key: Array, num_rows: int, batch_size: int) -> Array:
        if not 0 < boundary < num_rows:
            raise ValueError(f"boundary is {boundary}; it must lie between 0 and {num_rows}")
        before_key, after_key = jax.random.split(key)
        count = round(share * batch_size)
        before = jax.random.randint(before_key, (count,), 0, boundary)
        after = jax.random.randint(after_key, (batch_size - count,), boundary, num_rows)
        return jnp.concatenate([before, after])

    return draw
