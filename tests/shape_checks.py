"""Checks the shapes that annotations state, in every call that the tests make."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import numpy as np
from beartype import BeartypeConf, beartype
from jaxtyping import Float

Rewards = Float[jax.Array, "batch"] | Float[np.ndarray, "batch"]
# An int is a number too where a float is asked for.
_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments and its result checked, if it states a shape.

    Where it takes a minibatch, `batch` in its shapes is that minibatch's length. Functions without
    shapes are left alone: what users may get wrong there has messages of our own, which beartype's
    would forestall.
    """
    if "jaxtyping." not in str(getattr(function, "__annotations__", {})):
        return function
    checked = _checked(function)

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        for minibatch in (*arguments, *named.values()):
            rewards = getattr(minibatch, "rewards", None)
            if rewards is not None and not isinstance(rewards, Rewards):
                raise TypeError(f"a minibatch has rewards of the shape {rewards.shape}")
        return checked(*arguments, **named)

    return call
