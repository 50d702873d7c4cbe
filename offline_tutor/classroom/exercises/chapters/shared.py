"""What the exercises of several chapters share: random inputs, and forms of mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.classroom.exercises.exercise import Case, Seen, looks_like, same
from offline_tutor.types import Array

Values = Callable[[Array], Array]  # what a critic says of actions, (batch, action): (batch,)
Shows = Callable[[Seen, Seen, Case], bool]  # of a mistake

BATCH, ACTIONS = 6, 3  # rows and action components of part 3's random inputs


def gaussian(
    rng: np.random.Generator, *shape: int, mean: float = 0.0, scale: float = 1.0
) -> jax.Array:
    """Normal numbers in an array of this shape."""
    return jnp.asarray(rng.normal(mean, scale, size=shape), jnp.float32)


def uniform_actions(rng: np.random.Generator, *shape: int) -> Array:
    """Actions inside the box."""
    return jnp.asarray(rng.uniform(-1, 1, size=shape), jnp.float32)


def flags(rng: np.random.Generator, rows: int) -> jax.Array:
    """Some are set and some are not: (rows,)."""
    return jnp.asarray(rng.permutation(np.arange(rows) < rng.integers(2, rows // 2 + 1)))


def pick(table: Any, actions: Any) -> Any:
    """The value of each row's own action; `table`: (batch, actions), `actions`: (batch,)."""
    return table[jnp.arange(len(actions)), actions]


def hill(top: Array, height: Array, actions: Array) -> Array:
    """A critic of actions, (batch, action), with one hill in each row: (batch,)."""
    return height - ((actions - top) ** 2).sum(axis=-1)


def with_other(right: Callable[..., Any], **changes: Callable[[Any], Any]) -> Callable[..., Any]:
    """The right function, but asked about arguments that have been changed."""

    def wrong(**case: Any) -> Any:
        return right(**{**case, **{name: change(case[name]) for name, change in changes.items()}})

    return wrong


def looks_like_numpy(*wrong: Callable[..., Any]) -> Shows:
    """`looks_like` for wrong functions in NumPy: there is nothing to compile."""

    def plain(function: Callable[..., Any], case: Case) -> dict[str, Any]:
        return {"value": function(**jax.tree.map(np.asarray, dict(case)))}

    return looks_like(*wrong, probe=plain)


def where_value_is_right(shows: Shows) -> Shows:
    """Asks only where the value is right, since a gradient takes a while to compile."""
    return lambda mine, right, case: (
        same(mine["value"], right["value"]) and shows(mine, right, case)
    )


def no_gradient(name: str) -> Shows:
    """Shows where the value is right and its gradient with respect to this argument is zero."""

    def shows(mine: Seen, right: Seen, case: Case) -> bool:
        return same(mine["value"], right["value"]) and not mine[f"gradient by {name}"].any()

    return shows


def is_not_finite(mine: Seen, right: Seen, case: Case) -> bool:
    """Shows where the value is infinite or no number, and should be neither."""
    return not np.isfinite(mine["value"]).all()
